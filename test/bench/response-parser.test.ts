import { describe, expect, it } from 'vitest';
import { ResponseParser } from '../../bench/load/response-parser.js';

const PLAIN = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}';
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4\r\n":2}\r\n0\r\n\r\n';
const CLOSING = 'HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}';
const EMPTY = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

function parse(text: string, size: number): { status: number; body: string; closes: boolean }[] {
  const parser = new ResponseParser();
  const bytes = Buffer.from(text);
  const found: { status: number; body: string; closes: boolean }[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    for (const { status, body, closes } of parser.push(bytes.subarray(at, at + size))) {
      found.push({ status, body: body.toString(), closes });
    }
  }
  return found;
}

describe('the response parser', () => {
  it('takes responses out of the stream, however it is cut', () => {
    const stream = PLAIN + EMPTY + CHUNKED + CLOSING;
    const expected = [
      { status: 200, body: '{"a":1}', closes: false },
      { status: 200, body: '', closes: false },
      { status: 200, body: '{"a":2}', closes: false },
      { status: 502, body: '{}', closes: true },
    ];
    for (let size = 1; size <= stream.length; size++) expect(parse(stream, size)).toEqual(expected);
  });

  it('skips what is only on the way to an answer', () => {
    expect(parse(`HTTP/1.1 100 Continue\r\n\r\n${PLAIN}`, 5)).toEqual([
      { status: 200, body: '{"a":1}', closes: false },
    ]);
  });

  it('refuses what it would have to guess', () => {
    expect(() => parse('HTTP/1.1 200 OK\r\n\r\n{}', 100)).toThrow('without Content-Length');
    expect(() => parse('<html>\r\n\r\n', 100)).toThrow('not HTTP');
  });
});
