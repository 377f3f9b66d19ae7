// How the drivers written in JavaScript tell what held: one line a check, and a count at the end.

/** Waits for `promise`, at most `seconds`. */
export function within(seconds, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Asks `condition` again and again until it says yes; an error counts as no. Fails after `seconds`. */
export async function until(what, condition, seconds) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    let why = "";
    try {
      if (await condition()) return;
    } catch (error) {
      why = `; last error: ${error.message}`;
    }
    if (Date.now() > end) throw new Error(`waited ${seconds} s until ${what}${why}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Report {
  #passed = 0;
  #failed = 0;

  constructor(label) {
    this.label = label;
  }

  /** Runs one check, at most 60 s, and prints its line. */
  async check(name, body) {
    try {
      await within(60, Promise.resolve().then(body));
      this.#passed += 1;
      console.log(`ok ${this.label}: ${name}`);
    } catch (error) {
      this.#failed += 1;
      console.log(`not ok ${this.label}: ${name}: ${String(error?.message ?? error).replaceAll("\n", " ")}`);
    }
  }

  /** Prints the count and ends the process: a client that hangs must not hang the test bed. */
  finish() {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    process.exit(this.#failed === 0 ? 0 : 1);
  }
}
