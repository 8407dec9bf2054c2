// Compiles one Cairo contract to a contract class: node compile.mjs SOURCE.cairo OUTPUT.json
//
// Called by `cargo xtask contracts`, which installs the compiler first.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import init, { compileStarknetContract } from "wasm-cairo";

const [source, output] = process.argv.slice(2);
if (source === undefined || output === undefined) {
  console.error("usage: node compile.mjs SOURCE.cairo OUTPUT.json");
  process.exit(2);
}

// The compiler was made for browsers and would fetch its module; here it is read from disk.
const compiler = createRequire(import.meta.url).resolve("wasm-cairo/wasm-cairo_bg.wasm");
await init({ module_or_path: readFileSync(compiler) });

let contractClass;
try {
  contractClass = JSON.parse(compileStarknetContract(readFileSync(source, "utf8"), true, false));
} catch (error) {
  // The compiler keeps its diagnostics to itself.
  console.error(`cannot compile ${source}: ${error}`);
  process.exit(1);
}

// Sierra marks "continue with the next statement" with the largest `usize`, encoded once in the
// whole program. This compiler runs on 32 bits, everyone who reads its output on 64, so that one
// constant has to be widened. A contract with the same number of its own would be spoilt by that.
const FALLTHROUGH_32 = "0xffffffff";
const FALLTHROUGH_64 = "0xffffffffffffffff";
const program = contractClass.sierra_program;
if (program.filter((felt) => felt === FALLTHROUGH_32).length > 1) {
  console.error(`cannot compile ${source}: it uses the number ${FALLTHROUGH_32} itself`);
  process.exit(1);
}
contractClass.sierra_program = program.map((felt) =>
  felt === FALLTHROUGH_32 ? FALLTHROUGH_64 : felt,
);

// Names and locations for debuggers do not belong to the class and double its size.
delete contractClass.sierra_program_debug_info;

writeFileSync(output, `${JSON.stringify(contractClass)}\n`);
