// TypeScript for the tests' processes and their worker threads: --import=tsx alone leaves worker threads of Node.js 20 without it.
import { register } from 'tsx/esm/api';

register();
