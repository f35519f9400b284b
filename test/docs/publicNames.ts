/** Every name a program can import from the package, with its documentation. */
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { parseAst } from "rolldown/parseAst"
import { root } from "./examples.ts"

/** A declaration, or a member of a class or an interface. */
export interface PublicName {
  readonly file: string
  readonly line: number
  readonly name: string
  /** The docstring in front of it, without its frame; empty when there is none. */
  readonly doc: string
  readonly isMember: boolean
  /** A caller may leave it out. */
  readonly isOptional: boolean
  /** The name of the namespace it is exported in, if it is: `Channels` of `Channels.make`. */
  readonly namespace?: string
  /** How many type parameters it has. */
  readonly typeParameters: number
  /** What it is declared as, such as `ClassDeclaration`. */
  readonly declaration: string
  /** A member of the class itself. */
  readonly isStatic: boolean
  /** Exported as a type alone, though it is a value too. */
  readonly isTypeOnly?: boolean
}

interface Node {
  readonly type: string
  readonly start: number
  readonly [key: string]: unknown
}

interface Module {
  readonly file: string
  readonly text: string
  readonly statements: ReadonlyArray<Node>
}

const modules = new Map<string, Module>()

const moduleAt = (file: string): Module => {
  const known = modules.get(file)
  if (known !== undefined) return known
  const text = readFileSync(join(root, file), "utf8")
  const { body } = parseAst(text, { lang: "ts" }) as unknown as { readonly body: ReadonlyArray<Node> }
  const module = { file, text, statements: body }
  modules.set(file, module)
  return module
}

const identifier = (node: unknown): string => {
  const { name, value } = (node ?? {}) as { readonly name?: string; readonly value?: unknown }
  return name ?? String(value ?? "")
}

const named = (
  { file, text }: Module,
  name: string,
  at: number,
  isMember: boolean,
  isOptional = false,
  declaration?: Node
): PublicName => {
  const [doc = ""] = /\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*$/.exec(text.slice(0, at)) ?? []
  const plain = doc.replace(/^\s*\/?\*+\/? ?/gm, "").replace(/\*\/\s*$/, "")
  return {
    file,
    line: text.slice(0, at).split("\n").length,
    name,
    doc: plain.trim(),
    isMember,
    isOptional,
    typeParameters:
      ((declaration?.typeParameters as Node | undefined)?.params as ReadonlyArray<Node> | undefined)
        ?.length ?? 0,
    declaration: declaration?.type ?? "",
    isStatic: declaration?.static === true
  }
}

/** The members of a class or interface, without private, internal and computed ones and the constructor. */
const members = (module: Module, name: string, declaration: Node): ReadonlyArray<PublicName> => {
  if (declaration.type !== "ClassDeclaration" && declaration.type !== "TSInterfaceDeclaration") return []
  const { body } = declaration.body as { readonly body: ReadonlyArray<Node> }
  return body
    .filter(
      ({ key, computed, accessibility, kind, override }) =>
        key !== undefined &&
        (key as Node).type !== "PrivateIdentifier" &&
        computed !== true &&
        override !== true &&
        accessibility !== "private" &&
        kind !== "constructor"
    )
    .map((member) =>
      named(module, `${name}.${identifier(member.key)}`, member.start, true, member.optional === true, member)
    )
    .filter(({ doc }) => !doc.includes("@internal"))
}

/** The fields of `Schema.Struct({ … })`: options, of which each has a default. */
const fields = (module: Module, name: string, value: unknown): ReadonlyArray<PublicName> => {
  const [shape] = ((value as Node | null)?.arguments ?? []) as ReadonlyArray<Node>
  if (
    shape?.type !== "ObjectExpression" ||
    !module.text.slice((value as Node).start).startsWith("Schema.Struct(")
  )
    return []
  return (shape.properties as ReadonlyArray<Node>)
    .filter(({ key }) => key !== undefined)
    .map(({ key, start }) => named(module, `${name}.${identifier(key)}`, start, true, true))
}

const declared = (module: Module, statement: Node): ReadonlyArray<PublicName> => {
  const declaration = statement.declaration as Node | null
  if (declaration === null) return []
  if (declaration.type === "VariableDeclaration")
    return (declaration.declarations as ReadonlyArray<Node>).flatMap(({ id, init }) => [
      named(module, identifier(id), statement.start, false, false, declaration),
      ...fields(module, identifier(id), init)
    ])
  const name = identifier(declaration.id)
  return [
    named(module, name, statement.start, false, false, declaration),
    ...members(module, name, declaration)
  ]
}

const ownerOf = ({ name }: PublicName): string => name.split(".")[0]

/** What the module at `file` exports: all of it, or what is `wanted`. */
const exported = (file: string, wanted?: string): ReadonlyArray<PublicName> => {
  const module = moduleAt(file)
  const isWanted = (found: PublicName) => wanted === undefined || ownerOf(found) === wanted
  return module.statements.flatMap((statement): ReadonlyArray<PublicName> => {
    const source = statement.source as { readonly value: string } | null | undefined
    const from = source?.value.startsWith(".") ? join(dirname(file), source.value) : undefined
    if (statement.type === "ExportAllDeclaration" && from !== undefined) {
      const alias = identifier(statement.exported)
      return alias === ""
        ? exported(from, wanted)
        : wanted === undefined || wanted === alias
          ? exported(from).map((name) => ({ namespace: alias, ...name }))
          : []
    }
    if (statement.type !== "ExportNamedDeclaration") return []
    if (from === undefined)
      return declared(module, statement).filter((one) => isWanted(one) && !one.doc.includes("@internal"))
    return (statement.specifiers as ReadonlyArray<Node>)
      .filter((specifier) => wanted === undefined || identifier(specifier.exported) === wanted)
      .flatMap((specifier) => {
        const isTypeOnly = statement.exportKind === "type" || specifier.exportKind === "type"
        const [local, alias] = [identifier(specifier.local), identifier(specifier.exported)]
        return exported(from, local).map((one) => ({
          ...one,
          name: one.name.replace(local, alias),
          isTypeOnly: isTypeOnly || one.isTypeOnly === true
        }))
      })
  })
}

/**
 * The names behind each entry point, each once. A name that is declared twice, as a value and as the type of it, is
 * documented by either declaration.
 */
export const publicNames = (entryPoints: ReadonlyArray<string>): ReadonlyArray<PublicName> => {
  const found = new Map<string, PublicName>()
  for (const one of entryPoints.flatMap((file) => exported(file))) {
    const key = `${one.file} ${one.name}`
    const known = found.get(key)
    if (known === undefined || known.doc === "") found.set(key, one)
  }
  return [...found.values()]
}
