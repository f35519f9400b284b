/** Parses the source files that `npm run house` measures and `npm run check` checks against the house rules. */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { parseAst } from "rolldown/parseAst"

export interface FunctionFigure {
  readonly file: string
  readonly name: string
  readonly lines: number
  /** The body is a single `switch`, whose length depends on its cases. */
  readonly isFlatSwitch: boolean
}

export interface ClassFigure {
  readonly file: string
  readonly name: string
  readonly fields: number
  /** A class without methods, which may have any number of fields. */
  readonly isRecord: boolean
}

export interface SourceFile {
  /** Relative to the project root, with `/`. */
  readonly path: string
  readonly lines: number
  /** Project files it imports, including type imports. */
  readonly imports: ReadonlyArray<string>
  readonly functions: ReadonlyArray<FunctionFigure>
  readonly classes: ReadonlyArray<ClassFigure>
}

/** The part of an ESTree node that is used here, as oxc produces it. */
interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string"

const childrenOf = (node: Node): ReadonlyArray<Node> =>
  Object.values(node).flatMap((value) =>
    Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : []
  )

const functionTypes = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"])

const isFlatSwitch = (fn: Node): boolean => {
  const body = fn.body as Node
  if (body.type !== "BlockStatement") return false
  const statements = body.body as ReadonlyArray<Node>
  return statements.at(-1)?.type === "SwitchStatement" && statements.length <= 2
}

const nameOf = (node: Node, owner: Node | undefined): string => {
  const named = (node.id ?? owner?.key ?? owner?.id) as { readonly name?: string } | undefined
  return named?.name ?? "(anonymous)"
}

const fieldTypes = new Set(["PropertyDefinition", "AccessorProperty"])

const classFigure = (file: string, node: Node): ClassFigure => {
  const members = (node.body as Node).body as ReadonlyArray<Node>
  const methods = members.filter(({ type, kind }) => type === "MethodDefinition" && kind !== "constructor")
  const fields = members.filter((member) => fieldTypes.has(member.type) && member.static !== true)
  return { file, name: nameOf(node, undefined), fields: fields.length, isRecord: methods.length === 0 }
}

const parse = (root: string, path: string): SourceFile => {
  const text = readFileSync(join(root, path), "utf8")
  const lineAt = (offset: number) => text.slice(0, offset).split("\n").length
  const imports = new Set<string>()
  const functions: Array<FunctionFigure> = []
  const classes: Array<ClassFigure> = []
  const visit = (node: Node, owner: Node | undefined): void => {
    const source = node.source as { readonly value?: unknown } | undefined
    if (/^(Import|Export(All|Named))/.test(node.type) && typeof source?.value === "string")
      if (source.value.startsWith("."))
        imports.add(relative(root, resolve(root, dirname(path), source.value)))
    if (functionTypes.has(node.type) && isNode(node.body))
      functions.push({
        file: path,
        name: nameOf(node, owner),
        lines: lineAt(node.end) - lineAt(node.start) + 1,
        isFlatSwitch: isFlatSwitch(node)
      })
    if (node.type === "ClassDeclaration" || node.type === "ClassExpression")
      classes.push(classFigure(path, node))
    for (const child of childrenOf(node)) visit(child, node)
  }
  visit(parseAst(text, { lang: "ts" }) as unknown as Node, undefined)
  return { path, lines: text.split("\n").length - 1, imports: [...imports], functions, classes }
}

const filesBelow = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory).flatMap((name) => {
    const path = join(directory, name)
    return statSync(path).isDirectory() ? filesBelow(path) : path.endsWith(".ts") ? [path] : []
  })

/** All files under `src` and `layers`. */
export const readSources = (root: string): ReadonlyArray<SourceFile> =>
  ["src", "layers"]
    .flatMap((folder) => filesBelow(join(root, folder)))
    .map((file) => parse(root, relative(root, file)))
