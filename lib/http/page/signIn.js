import { signIn } from './data.js';
import { el, setText } from './dom.js';

/** Asks for a token of api.tokens; `done` is called when the browser has its cookie. */
export function signInView(done) {
  const input = el('input', { id: 'token', type: 'password', autocomplete: 'current-password', required: true, 'aria-describedby': 'why', spellcheck: 'false' });
  const why = el('p', { id: 'why', class: 'fault', role: 'alert' });
  const button = el('button', { type: 'submit', class: 'main' }, 'Sign in');
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    const refusal = await signIn(input.value.trim()).catch(() => 'The service does not answer.');
    button.disabled = false;
    input.value = '';
    if (refusal === null) {
      sessionStorage.setItem('signedIn', 'yes');
      done();
      return;
    }
    setText(why, refusal);
    input.focus();
  };
  const form = el('form', { onsubmit: submit }, el('label', { for: 'token' }, 'Token of api.tokens, with the scope read'), input, button, why);
  return { element: el('section', { class: 'sign' }, el('h1', {}, 'Sign in'), form), focus: () => input.focus() };
}
