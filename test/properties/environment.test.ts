import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readInitBody } from '../../src/protocol/init-body.js';
import { readRunBody } from '../../src/protocol/run-body.js';

const name = fc.oneof(
  fc.string({ minLength: 1, maxLength: 8 }),
  fc.constantFrom('ß', 'ı', 'namespace', 'ACTION_NAME', 'ǰ', 'a=b', 'nul\0', '', '__proto__', 'constructor'),
);
const value = fc.oneof(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 1 }), fc.constant('nul\0'));
/** Own members only: objects of the language give some names a meaning. */
const members = fc.array(fc.tuple(name, value), { maxLength: 6 });
const jsonOf = (list: readonly (readonly [string, unknown])[]): string =>
  `{${list.map(([key, one]) => `${JSON.stringify(key)}:${JSON.stringify(one)}`).join(',')}}`;

/** The rule as one would write it down: the last of a key counts; text as it is, null empty, the rest as JSON. */
function expected(
  list: readonly (readonly [string, unknown])[],
  nameOf: (key: string) => string,
): Map<string, string> | 'refused' {
  const variables = new Map<string, string>();
  for (const [key, one] of new Map(list)) {
    const text = typeof one === 'string' ? one : one === null ? '' : JSON.stringify(one);
    const variable = nameOf(key);
    if (variable === '' || variable.includes('=') || variable.includes('\0') || text.includes('\0'))
      return 'refused';
    variables.set(variable, text);
  }
  return variables;
}

describe('environment names and values', () => {
  it('C-RUN-08, C-RUN-10, C-RUN-11: of a run, against the rule as written', () => {
    fc.assert(
      fc.property(members, (list) => {
        const context = list.filter(([key]) => key !== 'value' && key !== 'activation');
        const read = readRunBody(Buffer.from(jsonOf(context)));
        const rule = expected(context, (key) => `__OW_${key.toUpperCase()}`);
        if (rule === 'refused') expect(read).toMatchObject({ code: 'run_bad_context' });
        else expect('variables' in read && new Map(read.variables)).toEqual(rule);
      }),
    );
  });

  it('C-RUN-09: of a run with `activation`, whose keys count instead', () => {
    fc.assert(
      fc.property(members, members, (outer, inner) => {
        const around = outer.filter(([key]) => key !== 'value' && key !== 'activation');
        const body = `{${[...around.map(([key, one]) => `${JSON.stringify(key)}:${JSON.stringify(one)}`), `"activation":${jsonOf(inner)}`].join(',')}}`;
        const read = readRunBody(Buffer.from(body));
        const rule = expected(
          inner.filter(([key]) => key !== 'value'),
          (key) => `__OW_${key.toUpperCase()}`,
        );
        if (rule === 'refused') expect(read).toMatchObject({ code: 'run_bad_context' });
        else expect('variables' in read && new Map(read.variables)).toEqual(rule);
      }),
    );
  });

  it('C-INIT-18, C-INIT-19: of an init, against the rule as written', () => {
    fc.assert(
      fc.property(members, (list) => {
        const read = readInitBody(Buffer.from(`{"value":{"env":${jsonOf(list)}}}`));
        const rule = expected(list, (key) => key);
        if (rule === 'refused') expect(read).toMatchObject({ code: 'init_bad_env' });
        else expect('variables' in read && new Map(read.variables)).toEqual(rule);
      }),
    );
  });
});
