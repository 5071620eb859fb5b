import { runTool } from '../tool.js';
import { soak } from './soak.js';

await runTool(soak, () => undefined);
