/** The line that ends an activation's log on each stream (C-LOG-01). */
export const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';

/** The fixed texts of the contract's error answers, by the contract's own names for them. */
export const M_TWICE = 'Cannot initialize the action more than once.';
export const M_INIT = 'The action failed to generate or locate a binary. See logs for details.';
export const M_NOBIN = 'The action failed to locate a binary. See logs for details.';
export const M_ARGS = 'The action did not receive a dictionary or array as an argument.';
export const M_RESULT = 'The action did not return a dictionary or array.';
export const M_STUB = 'This is a stub action. Replace it with custom logic.';
