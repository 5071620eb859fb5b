import { runTool } from '../tool.js';
import { chaos } from './chaos.js';

await runTool(chaos, () => undefined);
