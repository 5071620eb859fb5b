import type { ActionImage } from '../../../os/action-image.js';
import type { Variable } from '../../../protocol/environment.js';
import type { RefusalReason } from '../../errors.js';
import type { StringLayout } from '../build/string-layout.js';
import type { Template } from './template.js';

/** Provides the templates of a thread, whether the thread builds them itself or another one does. */
export interface TemplateManager {
  /** The template that takes runs; undefined when there is none. */
  readonly current: Template | undefined;
  /** Makes another template the current one, where there is one for runs with these variables. */
  select(variables: readonly Variable[]): boolean;
  /** Whether there is capacity for a template of this layout. */
  hasCapacityFor(action: ActionImage, layout: StringLayout): boolean;
  /** Why no template of this action is built now; undefined if one may be built. */
  unavailableReason(action: ActionImage): RefusalReason | undefined;
  /** A run begins, by whichever engine. */
  recordStart(): void;
  /** Requests a template; it is built as soon as there is time for it. */
  request(action: ActionImage, layout: StringLayout): void;
  /** Makes one now; undefined where that failed, or can't be. */
  build(action: ActionImage, layout: StringLayout): Template | undefined;
  /** Clones of a template end by faults: discards all templates, and builds none for a while. */
  disable(template: Template): void;
  /** Discards all templates. */
  clear(): void;
  close(): void;
}
