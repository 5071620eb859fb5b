import { writeFileSync } from 'node:fs';
import { dashboardText } from './dashboard.js';

writeFileSync('grafana/dashboard.json', dashboardText());
