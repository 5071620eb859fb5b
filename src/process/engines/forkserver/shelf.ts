import type { Variable } from '../../../contract/environment.js';
import type { ActionImage } from '../engine.js';
import { hasNames, type Shape } from './shape.js';
import type { Template } from './template.js';

/**
 * Callers that send no trace context, one with and one without a state, and others may take turns: none waits for a
 * template then.
 */
const MAX_TEMPLATES = 4;
/** A template that was used more lately is not given up for one of another shape: to make them in turns is slower. */
const MIN_IDLE_MS = 10_000;

/** The templates for the last shapes of runs. The one that was used last goes first; no two have the same names. */
export class Shelf {
  #templates: Template[] = [];

  get current(): Template | undefined {
    return this.#templates[0];
  }

  turnTo(variables: readonly Variable[]): boolean {
    const other = this.#templates.find(({ shape }) => hasNames(shape, variables));
    if (other === undefined) return false;
    this.#templates = [other, ...this.#templates.filter((template) => template !== other)];
    return true;
  }

  /** Whether the template for such runs has served long enough. */
  hasWorn(shape: Shape): boolean {
    return this.#templates.some((template) => template.worn && namesAgree(template.shape, shape));
  }

  /** Whether a template of this shape may take a place: a free one, its own, or one that nobody seems to need. */
  hasRoomFor(action: ActionImage, shape: Shape): boolean {
    const others = this.#templates.filter(
      (template) => template.alive && template.action === action && !namesAgree(template.shape, shape),
    );
    return others.length < MAX_TEMPLATES || others.some(({ idleMs }) => idleMs >= MIN_IDLE_MS);
  }

  /** Lets those go that a template of this action and shape takes the place of. */
  makeRoom(action: ActionImage, shape: Shape): void {
    this.#keep((template) => template.action === action && !namesAgree(template.shape, shape));
  }

  add(template: Template): void {
    this.#templates.unshift(template);
    this.#keep((_, index) => index < MAX_TEMPLATES);
  }

  /** It has died. */
  remove(template: Template): void {
    this.#templates = this.#templates.filter((one) => one !== template);
  }

  /** Lets all go. */
  clear(): void {
    this.#keep(() => false);
  }

  #keep(wanted: (template: Template, index: number) => boolean): void {
    const all = this.#templates;
    this.#templates = all.filter(wanted);
    for (const template of all) if (!this.#templates.includes(template)) template.retire();
  }
}

/** Whether runs of the one shape are runs of the other. */
export function namesAgree(one: Shape, other: Shape): boolean {
  return hasNames(
    one,
    other.names.map((name) => [name, ''] as const),
  );
}
