import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { LIMITS_FORMAT, parseResourceLimits } from './resource-limits.js';

const HOST_NAME = /^(?!.*\.\.)[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_.])?$/i;

/** What a setting's text may be, and what it means. */
export interface SettingKind<Value> {
  /** What it takes, in words; absent if it takes any text. */
  readonly allowed?: string;
  /** Whether its flag may be repeated. */
  readonly isList?: true;
  /** The value of a text; undefined if it is not allowed or, where any text is, empty. */
  readonly parse: (text: string) => Value | undefined;
}

/** Any text; what it means is checked where it is read. */
export const TEXT: SettingKind<string> = { parse: (text) => (text === '' ? undefined : text) };

/** Any text; its case does not count. */
export const WORD: SettingKind<string> = { parse: (text) => text.toLowerCase() };

/** An absolute path, made from one that may be relative. */
export const PATH: SettingKind<string> = { parse: (text) => (text === '' ? undefined : resolve(text)) };

/** Whether the text is exactly `1`. */
export const EXACTLY_ONE: SettingKind<boolean> = { parse: (text) => text === '1' };

export const ON_OFF: SettingKind<boolean> = {
  allowed: 'one of on, off',
  parse: (text) => (text === 'on' ? true : text === 'off' ? false : undefined),
};

export const HTTP_URL: SettingKind<string> = {
  allowed: 'an address of http or https',
  parse: (text) => (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) ? text : undefined),
};

export const HOSTS: SettingKind<readonly string[]> = {
  allowed: 'IP addresses or host names, separated by commas',
  isList: true,
  parse: (text) => {
    const hosts = splitList(text);
    return hosts.length > 0 && hosts.every(isHost) ? hosts : undefined;
  },
};

/** Origins in their serialised form (RFC 6454, section 6.2), or `*`. */
export const ORIGINS: SettingKind<readonly string[]> = {
  allowed: 'origins such as https://example.com, separated by commas, or *',
  isList: true,
  parse: (text) => {
    const origins = splitList(text);
    return origins.every((one) => one === '*' || one === 'null' || isOrigin(one)) ? origins : undefined;
  },
};

export const RESOURCE_LIMITS = { allowed: LIMITS_FORMAT, parse: parseResourceLimits };

export function integer(min: number, max: number): SettingKind<number> {
  return {
    allowed: `a whole number from ${min} to ${max}`,
    parse: (text) =>
      /^\d{1,16}$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined,
  };
}

export function choice<const Word extends string>(...words: readonly Word[]): SettingKind<Word> {
  return { allowed: `one of ${words.join(', ')}`, parse: (text) => words.find((word) => word === text) };
}

/** The words of a list that is separated by commas; blanks around them do not count. */
function splitList(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
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
