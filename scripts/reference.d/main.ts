import { writeFileSync } from 'node:fs';
import { configurationPage } from './configurationPage.js';
import { defaultYaml } from './defaultYaml.js';
import { assumptionsPage } from './facts.js';

writeFileSync('config/default.yaml', defaultYaml());
writeFileSync('docs/reference/configuration.md', configurationPage());
writeFileSync('docs/assumptions.md', assumptionsPage());
