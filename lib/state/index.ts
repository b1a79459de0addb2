export { DailyCounters, type Counted } from './daily.js';
export { Remembered, type StatePart } from './remembered.js';
export { RateWindows } from './rates.js';
