import { writeFileSync } from 'node:fs';
import { jsonSchemaText, SCHEMA_PATH } from './json-schema.js';

writeFileSync(SCHEMA_PATH, jsonSchemaText());
