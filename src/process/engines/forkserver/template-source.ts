import type { Variable } from '../../../contract/environment.js';
import type { ActionImage } from '../engine.js';
import type { Refusal } from './refusal.js';
import type { Shape } from './shape.js';
import type { Template } from './template.js';

/** Where the templates of a thread come from. */
export interface TemplateSource {
  /** The template that takes runs; undefined when there is none. */
  readonly current: Template | undefined;
  /** Makes another template the current one, where there is one for runs with these variables. */
  turnTo(variables: readonly Variable[]): boolean;
  /** Whether a template of this shape may take the place of others. */
  hasRoomFor(action: ActionImage, shape: Shape): boolean;
  /** Why no template of this action is made now; undefined when nothing speaks against one. */
  obstacle(action: ActionImage): Refusal | undefined;
  /** A run begins, by whichever engine. */
  noteRun(): void;
  /** Has a template made as soon as there is time for it. */
  wish(action: ActionImage, shape: Shape): void;
  /** Makes one now; undefined where that failed, or can't be. */
  make(action: ActionImage, shape: Shape): Template | undefined;
  /** Clones of a template end by faults: lets all go, and makes none for a while. */
  giveUp(template: Template): void;
  /** Lets all templates go. */
  drop(): void;
  close(): void;
}
