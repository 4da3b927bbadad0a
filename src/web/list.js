// Upload, new folder, rename and delete on the page of a directory. The list itself needs none of this.
(() => {
  'use strict';
  const $ = id => document.getElementById(id);
  const here = $('list').dataset.path, may = letter => $('list').dataset.may.includes(letter);
  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const say = text => { $('say').textContent = text; };

  // Questions, one at a time: gives what was typed, or null for "no".
  let turn = Promise.resolve(), always;
  const set = (id, text, there = true) => Object.assign($(id), { textContent: text, hidden: !there });
  const show = q => new Promise(done => {
    const typed = 'name' in q;
    set('ask-title', q.title);
    set('ask-text', q.text, !!q.text);
    set('ask-no', q.no || 'Cancel', !!q.yes);
    set('ask-yes', q.yes || 'Close').className = q.bad ? 'bad' : 'main';
    $('ask-label').hidden = !typed;
    $('ask-name').required = typed;
    $('ask-name').value = q.name || '';
    $('ask-all').hidden = !q.others;
    $('ask-same').checked = false;
    $('ask').returnValue = '';
    $('ask').onclose = () => {
      const yes = $('ask').returnValue === 'yes';
      if ($('ask-same').checked) always = yes;
      done(yes ? $('ask-name').value : null);
    };
    $('ask').showModal();
    if (!typed) $(q.yes ? 'ask-no' : 'ask-yes').focus();
    if (q.name) {
      const dot = q.file ? q.name.lastIndexOf('.') : 0;
      $('ask-name').setSelectionRange(0, dot > 0 ? dot : q.name.length);
    }
  });
  $('ask-no').onclick = () => $('ask').close();
  const ask = q => turn = turn.then(() => q.needless?.() ? null : show(q));
  const tell = (title, text) => ask({ title, text });
  const safely = act => () => act().catch(error => tell('That did not work', error.message));

  // A name as a part of a path.
  const part = name => {
    if (!name || name === '.' || name === '..' || /[/\0]/.test(name)) throw new Error('A name may not be empty, “.” or “..”, and holds no slash.');
    return encodeURIComponent(name);
  };
  const encode = path => path.split('/').map(encodeURIComponent).join('/');
  // What the door says: its own line, where there is one.
  const words = (status, text, type) => {
    if (!status) return 'The connection was cut: look at what is there, and try again.';
    let line = type?.startsWith('text/plain') && text;
    if (type?.startsWith('application/xml')) line = new DOMParser().parseFromString(text, 'text/xml').querySelector('message')?.textContent;
    return line || `The server answered ${status}.`;
  };
  const good = status => status >= 200 && status < 300 && status !== 207;
  const door = async (method, path, headers) => {
    try {
      const answer = await fetch(path, { method, headers, redirect: 'error' });
      const { status } = answer;
      return { status, why: good(status) ? '' : words(status, await answer.text(), answer.headers.get('content-type')) };
    } catch { return { status: 0, why: words(0) }; }
  };

  // Shows the list as it is now, and leaves the rest of the page alone.
  const refresh = async focus => {
    let page;
    try { page = await (await fetch(location.href)).text(); } catch { return; }
    const list = new DOMParser().parseFromString(page, 'text/html').getElementById('list');
    if (!list) return location.reload();
    const held = $('list').contains(document.activeElement);
    $('list').replaceWith(document.adoptNode(list));
    dress();
    const link = focus && [...list.querySelectorAll('tbody a')].find(a => decodeURIComponent(a.pathname).replace(/\/$/, '') === decodeURIComponent(focus));
    if (link || held || focus) (link || $('title')).focus();
  };
  const change = async (failed, done, focus, method, path, headers) => {
    const answer = await door(method, path, headers);
    if (!good(answer.status)) return tell(failed, answer.why);
    await refresh(focus);
    say(done);
  };

  const rename = async (link, name, file) => {
    const to = await ask({ title: `Rename “${name}”`, name, file, yes: 'Rename' });
    if (to === null || to === name) return;
    const path = here + part(to);
    await change(`“${name}” was not renamed`, `Renamed to ${to}`, path, 'MOVE', link.pathname, { Destination: path, Overwrite: 'F' });
  };
  const remove = async (link, name, file) => {
    const text = `${file ? '' : 'The folder goes with everything in it. '}It can’t be undone.`;
    const yes = await ask({ title: `Delete “${name}”?`, text, yes: 'Delete', bad: true });
    if (yes !== null) await change(`“${name}” was not deleted`, `Deleted ${name}`, here, 'DELETE', link.pathname);
  };
  const folder = async () => {
    const name = await ask({ title: 'New folder', name: '', yes: 'Make it' });
    if (name !== null) await change(`“${name}” was not made`, `Made ${name}`, here + part(name), 'MKCOL', here + part(name));
  };
  // Buttons at the end of each row.
  const dress = () => {
    if (!may('r') && !may('d')) return;
    $('list').querySelector('thead tr').append(make('th', '', { scope: 'col', 'aria-label': 'Actions' }));
    for (const row of $('list').querySelectorAll('tbody tr')) {
      const cell = make('td', '', { class: 'acts' }), link = row.querySelector('a'), file = row.className === 'f';
      row.append(cell);
      if (!link || row.className === 'up') continue;
      const name = link.querySelector('bdi').textContent;
      for (const [word, letter, act] of [['Rename', 'r', rename], ['Delete', 'd', remove]]) {
        if (!may(letter)) continue;
        const button = make('button', word, { 'aria-label': `${word} ${name}` });
        button.onclick = safely(() => act(link, name, file));
        cell.append(button);
      }
    }
  };

  // Uploads: a few at once, the others wait.
  const AT_ONCE = 3, waiting = [];
  let running = 0, uploaded = 0, failed = 0;
  const put = (item, headers) => new Promise(done => {
    const x = new XMLHttpRequest();
    x.open('PUT', item.path);
    for (const name in headers) x.setRequestHeader(name, headers[name]);
    x.upload.onprogress = ({ loaded, total }) => {
      item.bar.value = total ? loaded / total : 1;
      item.note.textContent = loaded < total ? `${Math.floor(100 * item.bar.value)} %` : 'is being stored';
    };
    x.onloadend = () => done({ status: x.status, why: words(x.status, x.responseText, x.getResponseHeader('content-type')) });
    x.send(item.file);
  });
  const upload = async item => {
    // A large file would be sent in vain where one is already.
    let answer = { status: 412 };
    if ((await door('HEAD', item.path)).status !== 200) answer = await put(item, { 'If-None-Match': '*' });
    if (answer.status === 412) {
      item.note.textContent = 'is there already';
      const yes = await ask({
        title: `Replace “${item.name}”?`, text: 'A file of this name is there already.', yes: 'Replace', no: 'Skip',
        others: waiting.length + running > 1, needless: () => always !== undefined,
      });
      answer = always ?? yes !== null ? await put(item) : { why: 'skipped' };
    }
    const done = good(answer.status);
    uploaded += done;
    failed += 'status' in answer && !done;
    item.row.className = `over ${done ? 'done' : 'status' in answer ? 'failed' : ''}`;
    item.note.textContent = done ? 'done' : answer.why;
  };
  const next = async () => {
    for (running++; waiting.length;) await upload(waiting.shift());
    if (--running) return;
    always = undefined;
    const told = `${uploaded} uploaded${failed ? `, ${failed} failed` : ''}`;
    await refresh();
    say(told);
  };
  const enqueue = items => {
    const list = $('uploads').lastElementChild;
    if (!running) {
      list.replaceChildren();
      uploaded = failed = 0;
    }
    for (const item of items) {
      item.row = make('li', '');
      item.bar = make('progress', '', { value: 0, 'aria-label': item.name });
      item.note = make('span', 'waits');
      item.row.append(make('bdi', item.name), item.bar, item.note);
      list.append(item.row);
      waiting.push(item);
      $('uploads').hidden = false;
    }
    for (let n = Math.min(AT_ONCE - running, waiting.length); n > 0; n--) next();
  };
  const item = (file, under = '') => ({ file, name: under + file.name, path: here + encode(under) + part(file.name) });

  // Files, and folders with all that is in them.
  const dropped = async entries => {
    const found = [];
    for (const { entry, under } of entries) {
      if (entry.isFile) {
        found.push(item(await new Promise((yes, no) => entry.file(yes, no)), under));
        continue;
      }
      const inside = `${under}${entry.name}/`, reader = entry.createReader();
      const made = await door('MKCOL', here + encode(inside));
      // 405: it is there.
      if (!good(made.status) && made.status !== 405) throw new Error(`${inside}: ${made.why}`);
      for (let some; (some = await new Promise((yes, no) => reader.readEntries(yes, no))).length;) {
        entries.push(...some.map(entry => ({ entry, under: inside })));
      }
    }
    enqueue(found);
    if (!found.length) await refresh();
  };

  dress();
  if (may('m')) $('folder').onclick = safely(folder);
  if (may('w')) {
    $('upload').onclick = () => $('files').click();
    $('files').onchange = safely(async () => {
      const files = [...$('files').files];
      $('files').value = '';
      enqueue(files.map(file => item(file)));
    });
    addEventListener('beforeunload', event => { if (running) event.preventDefault(); });
    const files = event => event.dataTransfer?.types.includes('Files');
    addEventListener('dragover', event => {
      if (!files(event)) return;
      event.preventDefault();
      $('drop').hidden = false;
    });
    addEventListener('dragleave', event => { if (!event.relatedTarget) $('drop').hidden = true; });
    addEventListener('drop', event => {
      if (!files(event)) return;
      event.preventDefault();
      $('drop').hidden = true;
      const entries = [...event.dataTransfer.items].map(item => item.webkitGetAsEntry?.());
      // Files that no disk holds are no entries.
      const plain = [...event.dataTransfer.files];
      safely(async () => entries.every(entry => entry) ? dropped(entries.map(entry => ({ entry, under: '' }))) : enqueue(plain.map(file => item(file))))();
    });
  }
  $('tools').hidden = false;
})();
