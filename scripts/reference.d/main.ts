import { writeFileSync } from 'node:fs';
import { configurationPage } from './configurationPage.js';
import { defaultYaml } from './defaultYaml.js';

writeFileSync('config/default.yaml', defaultYaml());
writeFileSync('docs/reference/configuration.md', configurationPage());
