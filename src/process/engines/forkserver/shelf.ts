import type { Variable } from '../../../contract/environment.js';
import type { ActionImage } from '../engine.js';
import { hasNames, type Shape } from './shape.js';
import type { Template } from './template.js';

/** Callers that send a trace context and callers that send none may take turns: neither waits for a template then. */
const MOST_TEMPLATES = 2;

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

  /** Lets those go that a template of this action and shape takes the place of. */
  makeRoom(action: ActionImage, shape: Shape): void {
    this.#keep((template) => template.action === action && !namesAgree(template.shape, shape));
  }

  add(template: Template): void {
    this.#templates.unshift(template);
    this.#keep((_, index) => index < MOST_TEMPLATES);
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
