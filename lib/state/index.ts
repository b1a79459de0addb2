export { DailyCounters, type Counted } from './daily.js';
export { RateWindows } from './rates.js';
