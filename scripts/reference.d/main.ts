import { writeFileSync } from 'node:fs';
import { configurationPage } from './configurationPage.js';
import { defaultYaml } from './defaultYaml.js';
import { assumptionsPage } from './facts.js';
import { graphPage } from './graphPage.js';

writeFileSync('config/default.yaml', defaultYaml());
writeFileSync('docs/reference/configuration.md', configurationPage());
writeFileSync('docs/assumptions.md', assumptionsPage());
writeFileSync('docs/reference/graph-errors.md', graphPage());
