import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseHttpMethods } from '../../src/protocol/knative/methods.js';
import { type KnativeContext, readKnativeRequest } from '../../src/protocol/knative/request.js';
import { shapeResult } from '../../src/protocol/knative/response.js';

const CONTEXT: KnativeContext = {
  method: 'POST',
  headers: [['Content-Type', 'application/json']],
  query: 'a=b',
  namespace: 'guest',
  dedicated: false,
  initIsDone: false,
  raw: false,
  actionName: '',
};
const ABOUT = {
  __ow_user: 'guest',
  __ow_method: 'POST',
  __ow_headers: { 'Content-Type': 'application/json' },
  __ow_path: '',
};
const key = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.constantFrom('__ow_path', 'code', 'main', 'init', '"\\', '__ow_user'),
);
const parameters = fc.dictionary(key, fc.jsonValue({ maxDepth: 2 }), { noNullPrototype: true });
const text = (value: unknown, indent: number): Buffer => Buffer.from(JSON.stringify(value, null, indent));

function argumentOf(body: Buffer, context: KnativeContext = CONTEXT): unknown {
  const read = readKnativeRequest(body, context);
  if (!('kind' in read) || read.kind !== 'run') throw new Error(`no run: ${JSON.stringify(read)}`);
  expect(read.request.argument.includes('\n')).toBe(false);
  return JSON.parse(read.request.argument.toString());
}

describe('parameters in Knative mode', () => {
  it('C-KN-12: are those of the request, with what is known of it added over them', () => {
    fc.assert(
      fc.property(parameters, fc.constantFrom(0, 2), (value, indent) => {
        const given = JSON.parse(JSON.stringify(value)) as object;
        expect(argumentOf(text({ activation: {}, value }, indent))).toEqual({ ...given, ...ABOUT });
        expect(argumentOf(text({ value }, indent))).toEqual(given);
      }),
    );
  });

  it('C-KN-15: are the very text in base64 for raw actions', () => {
    fc.assert(
      fc.property(parameters, (value) => {
        const seen = argumentOf(text({ activation: {}, value }, 0), { ...CONTEXT, raw: true });
        const body = Buffer.from(JSON.stringify(value)).toString('base64');
        expect(seen).toEqual({ __ow_body: body, __ow_query: 'a=b', ...ABOUT });
      }),
    );
  });

  it('C-KN-04: the rest of a request with an init reads as if it had come alone', () => {
    fc.assert(
      fc.property(parameters, fc.constantFrom(0, 1), (value, indent) => {
        const read = readKnativeRequest(
          text({ init: { code: 'x' }, value, activation: { a: 'b' } }, indent),
          CONTEXT,
        );
        if (!('kind' in read) || read.kind !== 'init' || read.rest === undefined) throw new Error('no init');
        const alone = readKnativeRequest(text({ value, activation: { a: 'b' } }, indent), CONTEXT);
        const after = readKnativeRequest(read.rest, CONTEXT);
        expect(argumentOf(read.rest)).toEqual(argumentOf(text({ value, activation: { a: 'b' } }, indent)));
        expect('kind' in after && after.kind === 'run' && after.request.variables).toEqual(
          'kind' in alone && alone.kind === 'run' && alone.request.variables,
        );
      }),
    );
  });

  it('C-KN-03: whatever the bytes are, there is an answer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const read = readKnativeRequest(Uint8Array.from(bytes), CONTEXT);
        expect('kind' in read || 'code' in read).toBe(true);
      }),
    );
  });
});

describe('answers in Knative mode', () => {
  it('C-KN-17: without anything that shapes it a result is answered byte for byte', () => {
    const plain = fc
      .oneof(parameters, fc.array(fc.jsonValue({ maxDepth: 1 })))
      .filter(
        (value) => Array.isArray(value) || !['statusCode', 'headers', 'body'].some((name) => name in value),
      );
    fc.assert(
      fc.property(plain, fc.constantFrom(0, 1), (value, indent) => {
        const result = Buffer.from(JSON.stringify(value, null, indent).replaceAll('\n', ' '));
        const shaped = shapeResult(result, undefined);
        if ('code' in shaped) throw new Error(shaped.code);
        expect(Buffer.from(shaped.body).equals(result)).toBe(true);
        expect(shaped.status).toBe(200);
      }),
    );
  });

  it('C-KN-17: a header is never more than one line, and never the framing', () => {
    const header = fc.dictionary(
      fc.oneof(fc.string({ maxLength: 5 }), fc.constantFrom('Content-Length', 'transfer-encoding', 'X-A')),
      fc.oneof(fc.string(), fc.integer(), fc.array(fc.string(), { maxLength: 2 })),
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(header, (headers) => {
        const shaped = shapeResult(Buffer.from(JSON.stringify({ headers, body: {} })), undefined);
        if ('code' in shaped) return;
        for (const [name, one] of shaped.headers) {
          expect(name).toMatch(/^[!-~]+$/);
          expect(one).not.toMatch(/[\r\n\0]/);
          expect(name.toLowerCase()).not.toMatch(/^(content-length|transfer-encoding)$/);
        }
      }),
    );
  });

  it('C-KN-01: methods are what the list names, or POST', () => {
    const names = fc.array(fc.constantFrom('get', 'POST', 'Put', ' delete ', 'OPTIONS', 'TRACE', ''), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(names, (list) => {
        const known = ['get', 'post', 'put', 'delete', 'options'];
        const asked = [...new Set(list.map((one) => one.trim().toLowerCase()))].filter((one) =>
          known.includes(one),
        );
        expect(new Set(parseHttpMethods(`[${list.join(',')}]`).methods)).toEqual(
          new Set(asked.length === 0 ? ['post'] : asked),
        );
        expect(parseHttpMethods(list.join(',')).methods).toEqual(['post']);
      }),
    );
  });
});
