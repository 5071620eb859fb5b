import { expect, it } from 'vitest';
import { SharedTable } from '../../src/shared-memory/shared-table.js';

it('the header and the slots of a table lie apart, and fill its memory', () => {
  const table = new SharedTable(Float64Array, 2, 3);
  const memory = table.create(2);
  table.header(memory).fill(1);
  table.slot(memory, 0).fill(2);
  table.slot(memory, 1).fill(3);
  expect([...new Float64Array(memory)]).toEqual([1, 1, 2, 2, 2, 3, 3, 3]);
  expect(table.slots(memory).map((cells) => [...cells])).toEqual([
    [2, 2, 2],
    [3, 3, 3],
  ]);
});
