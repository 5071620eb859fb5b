import { isIP } from 'node:net';
import type { SettingKind } from './settings.js';

const HOST_NAME = /^(?!.*\.\.)[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_.])?$/i;

/** The words of a list that is separated by commas; blanks around them do not count. */
export function splitList(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

/** Whether a setting of that kind takes the text. */
export function isValidSetting(kind: SettingKind, text: string): boolean {
  switch (kind.type) {
    case 'choice':
      return kind.of.includes(text);
    case 'path':
    case 'text':
      return true;
    case 'url':
      return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
    case 'hosts':
      return splitList(text).length > 0 && splitList(text).every(isHost);
    case 'origins':
      return splitList(text).every((one) => one === '*' || one === 'null' || isOrigin(one));
    case 'integer':
      return /^\d{1,16}$/.test(text) && Number(text) >= kind.min && Number(text) <= kind.max;
  }
}

/** What a kind takes, in words; undefined where it takes any text. */
export function describeAllowed(kind: SettingKind): string | undefined {
  switch (kind.type) {
    case 'choice':
      return `one of ${kind.of.join(', ')}`;
    case 'path':
    case 'text':
      return undefined;
    case 'url':
      return 'an address of http or https';
    case 'hosts':
      return 'IP addresses or host names, separated by commas';
    case 'origins':
      return 'origins such as https://example.com, separated by commas, or *';
    case 'integer':
      return `a whole number from ${kind.min} to ${kind.max}`;
  }
}

/** An address without brackets, as bind(2) has it, or a name. */
function isHost(text: string): boolean {
  // Digits and points alone are an address that is none.
  return isIP(text) !== 0 || (HOST_NAME.test(text) && !/^[\d.]+$/.test(text));
}

/** As browsers send it (RFC 6454, section 6.2): scheme, host and, where it is not the scheme's own, port. */
function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}
