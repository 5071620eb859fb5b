import type { ActionImage } from '../../../os/action-image.js';
import type { Variable } from '../../../protocol/environment.js';
import { hasNames, type StringLayout } from '../build/string-layout.js';
import type { Template } from './template.js';

/**
 * Callers that send no trace context, one with and one without a state, and others may take turns: none waits for a
 * template then.
 */
const MAX_TEMPLATES = 4;
/**
 * A template used within this time is not evicted for another string layout: building them in turns would be slower.
 */
const MIN_IDLE_MS = 10_000;

/** The templates of a thread, most recently used first, each for another set of variable names. */
export class TemplateCache {
  #templates: Template[] = [];

  get current(): Template | undefined {
    return this.#templates[0];
  }

  select(variables: readonly Variable[]): boolean {
    const other = this.#templates.find(({ layout }) => hasNames(layout, variables));
    if (other === undefined) return false;
    this.#templates = [other, ...this.#templates.filter((template) => template !== other)];
    return true;
  }

  /** Whether the template for such runs is due to be replaced. */
  isExpired(layout: StringLayout): boolean {
    return this.#templates.some((template) => template.isExpired && haveSameNames(template.layout, layout));
  }

  /** Whether a template of this layout may be added: in a free place, its own, or that of one which seems unused. */
  hasCapacityFor(action: ActionImage, layout: StringLayout): boolean {
    const others = this.#templates.filter(
      (template) => template.isAlive && template.action === action && !haveSameNames(template.layout, layout),
    );
    return others.length < MAX_TEMPLATES || others.some(({ idleMs }) => idleMs >= MIN_IDLE_MS);
  }

  /** Evicts the templates that one of this action and layout replaces. */
  evictFor(action: ActionImage, layout: StringLayout): void {
    this.#retain((template) => template.action === action && !haveSameNames(template.layout, layout));
  }

  add(template: Template): void {
    this.#templates.unshift(template);
    this.#retain((_, index) => index < MAX_TEMPLATES);
  }

  /** It has died. */
  remove(template: Template): void {
    this.#templates = this.#templates.filter((one) => one !== template);
  }

  /** Lets all go. */
  clear(): void {
    this.#retain(() => false);
  }

  #retain(wanted: (template: Template, index: number) => boolean): void {
    const all = this.#templates;
    this.#templates = all.filter(wanted);
    for (const template of all) if (!this.#templates.includes(template)) template.retire();
  }
}

/** Whether two layouts have the same variable names. */
export function haveSameNames(one: StringLayout, other: StringLayout): boolean {
  return hasNames(
    one,
    other.names.map((name) => [name, ''] as const),
  );
}
