/** The code blocks of the documentation: found in docstrings and Markdown, type-checked against the sources. */
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** A fenced block of TypeScript. */
export interface CodeBlock {
  /** From the root of the project. */
  readonly file: string
  /** The line of the fence; the code begins on the next one. */
  readonly line: number
  readonly code: string
}

export const root = new URL("../../", import.meta.url).pathname

/** The file that a reader puts a block into, which is the comment it begins with. */
export const nameOf = (code: string): string | undefined => /^\/\/ ([\w.]+\.ts)\n/.exec(code)?.[1]

/** Every block fenced as `ts` in `text`; the ` * ` that begins the lines of a docstring is not part of the code. */
export const codeBlocks = (file: string, text: string): ReadonlyArray<CodeBlock> => {
  const blocks: Array<CodeBlock> = []
  let open: { readonly line: number; readonly code: Array<string> } | undefined
  for (const [i, raw] of text.split("\n").entries()) {
    const line = file.endsWith(".ts") ? raw.replace(/^\s*\* ?/, "") : raw
    if (open === undefined) {
      if (/^```ts\b/.test(line)) open = { line: i + 1, code: [] }
    } else if (line.startsWith("```")) {
      blocks.push({ file, line: open.line, code: open.code.join("\n") })
      open = undefined
    } else open.code.push(line)
  }
  return blocks
}

/** The blocks of README.md, the guides and every file below `src` and `layers`. */
export const documentedBlocks = (): ReadonlyArray<CodeBlock> =>
  [
    "README.md",
    ...readdirSync(join(root, "docs"))
      .filter((name) => name.endsWith(".md"))
      .map((name) => `docs/${name}`),
    ...["src", "layers"].flatMap((room) =>
      readdirSync(join(root, room), { encoding: "utf8", recursive: true })
        .filter((name) => name.endsWith(".ts"))
        .map((name) => `${room}/${name}`)
    )
  ].flatMap((file) => codeBlocks(file, readFileSync(join(root, file), "utf8")))

/** How a reader's project sees the package, before it is built. */
const compilerOptions = {
  moduleDetection: "force",
  noUnusedLocals: false,
  noUnusedParameters: false,
  paths: {
    "effect-quic": ["../../src/index.ts"],
    "effect-quic/layers/*": ["../../layers/*/index.ts"]
  }
}

const compile = (directory: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const tsc = join(root, "node_modules/typescript/bin/tsc")
    execFile(process.execPath, [tsc, "--pretty", "false", "-p", directory], (error, stdout, stderr) => {
      if (stderr === "" && (error === null || stdout !== "")) resolve(stdout)
      else reject(new Error(`tsc: ${stderr || error?.message}`))
    })
  })

/** What the compiler finds wrong, each as `file:line: problem` at the line of the documentation. */
export const typeErrors = async (blocks: ReadonlyArray<CodeBlock>): Promise<ReadonlyArray<string>> => {
  mkdirSync(join(root, ".cache"), { recursive: true })
  const directory = mkdtempSync(join(root, ".cache/docs-"))
  try {
    for (const [i, { file, code }] of blocks.entries()) {
      const imported = (name: string) =>
        blocks.findIndex((other) => other.file === file && nameOf(other.code) === name)
      const text = code.replace(/(?<=from ")\.\/([\w.]+\.ts)(?=")/g, (_, name) => `./${imported(name)}.ts`)
      writeFileSync(join(directory, `${i}.ts`), `${text}\n`)
    }
    const config = { extends: "../../tsconfig.json", compilerOptions, include: ["*.ts"] }
    writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(config))
    const output = await compile(directory)
    return output.split("\n").flatMap((message) => {
      const found = /(?:^|\/)(\d+)\.ts\((\d+),\d+\): (.*)$/.exec(message)
      if (found === null) return message.trim() === "" ? [] : [message]
      const { file, line } = blocks[Number(found[1])]
      return [`${file}:${line + Number(found[2])}: ${found[3]}`]
    })
  } finally {
    rmSync(directory, { recursive: true })
  }
}
