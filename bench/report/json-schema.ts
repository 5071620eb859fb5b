import { z } from 'zod';
import { reportSchema } from './schema.js';

/** Where the schema is published, seen from the project's folder. */
export const SCHEMA_PATH = 'docs/reference/bench-report.schema.json';

/** The schema of a report as JSON Schema 2020-12, for those who read reports without this project's code. */
export function jsonSchemaText(): string {
  const schema = z.toJSONSchema(reportSchema, { target: 'draft-2020-12', io: 'input' });
  const { $schema, ...rest } = schema;
  return `${JSON.stringify(
    {
      $schema,
      title: 'Report of a Hyperskeleton benchmark',
      description:
        'What was measured, where, how sure it is. Names say the unit: Us microseconds, Ms milliseconds, Bytes; rates are per second.',
      ...rest,
    },
    null,
    2,
  )}\n`;
}
