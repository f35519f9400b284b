/** DER as a mutable tree: any node may get another tag, other children, or a length encoding that DER forbids. */
import { derElement, readChildren, readElement } from "../../src/internal/der.ts"

export interface DerNode {
  tag: number
  /** The children of a constructed node, or of an OCTET STRING that contains DER. */
  children: Array<DerNode> | undefined
  content: Uint8Array
  /** `long` has more length bytes than needed, `indefinite` has none; `verbatim` content is the whole element as is. */
  length: "shortest" | "long" | "indefinite" | "verbatim"
}

const octetString = 0x04

/** The tree of one element. */
export const parseTree = (bytes: Uint8Array): DerNode => {
  const element = readElement(bytes, 0)
  if (element === undefined || element.end !== bytes.length) throw new Error("not DER")
  return nodeAt(bytes, element)
}

const nodeAt = (bytes: Uint8Array, element: NonNullable<ReturnType<typeof readElement>>): DerNode => {
  const { tag, contentStart, end } = element
  const isWrapper = tag === octetString && end - contentStart > 2
  const parts = (tag & 0x20) !== 0 || isWrapper ? readChildren(bytes, element, 10_000) : undefined
  return {
    tag,
    children:
      parts && (!isWrapper || parts.length === 1) ? parts.map((part) => nodeAt(bytes, part)) : undefined,
    content: bytes.slice(contentStart, end),
    length: "shortest"
  }
}

export const encodeTree = (node: DerNode): Uint8Array => {
  const parts = node.children?.map(encodeTree) ?? [node.content]
  const content = Buffer.concat(parts)
  if (node.length === "verbatim") return node.content
  if (node.length === "shortest") return derElement(node.tag, content)
  if (node.length === "indefinite") {
    return Buffer.concat([Uint8Array.of(node.tag | 0x20, 0x80), content, new Uint8Array(2)])
  }
  return Buffer.concat([
    Uint8Array.of(node.tag, 0x83, 0, content.length >> 8, content.length & 0xff),
    content
  ])
}

export const leafNode = (tag: number, content: Uint8Array): DerNode => ({
  tag,
  children: undefined,
  content,
  length: "shortest"
})

export const parentNode = (tag: number, ...children: ReadonlyArray<DerNode>): DerNode => ({
  tag,
  children: [...children],
  content: new Uint8Array(0),
  length: "shortest"
})

/** The node and everything below it. */
export const descendants = (node: DerNode): Array<DerNode> => [
  node,
  ...(node.children ?? []).flatMap(descendants)
]

export const copyTree = (node: DerNode): DerNode => structuredClone(node)
