const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: XML allows none of them, and a log's tail may have them.
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;

/** A text on one line, without what neither XML nor a picture can show. */
export const plainLine = (text: string): string => text.replace(CONTROLS, '\ufffd').replace(/\s+/g, ' ');

/** A text as HTML, SVG or an attribute's value has it; control characters are shown as a replacement. */
export const escapeHtml = (text: string): string =>
  text.replace(CONTROLS, '\ufffd').replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
