import t from 'tap';
import { iceCompletedIn } from '../../../lib/media/rtpengine/process.js';

t.test('A11: a finished ICE is read out of the log of each version', async (t) => {
  const id = '89435b5a-485d-46fd-a854-a06c758d5199-m';
  t.equal(iceCompletedIn(`DEBUG: [${id} port 29923]: [ice] ICE completed, using pair 0xbf`), id, '10.5');
  t.equal(iceCompletedIn(`DEBUG: [${id} port  9923]: [ice] ICE completed, using pair 0xbf`), id, 'padded');
  t.equal(iceCompletedIn(`DEBUG: [${id}/meta/1 port 29923]: [ice] ICE completed, using pair 0xbf`), id, '12.5 and 26');
  t.equal(iceCompletedIn(`DEBUG: [${id}/a tag/1 port 29923]: [ice] ICE completed`), null, 'none of ours');
  t.equal(iceCompletedIn(`DEBUG: [${id} port 29923]: [ice] Start nominating ICE pairs`), null);
  t.equal(iceCompletedIn('INFO: nothing'), null);
});
