/**
 * Name constraints: which names a CA may vouch for. RFC 5280 §4.2.1.10, §6.1.3 (b) and (c)
 *
 * DNS names, IP addresses and directory names are understood. A constraint of another kind matters only to certificates
 * that carry a name of that kind, and those are refused rather than let through unchecked.
 */
import { readChildren, readElement, type DerElement } from "../../../src/internal/der.ts"
import { ExtensionId, hexOf, NameTag, type ParsedCertificate } from "./ParsedCertificate.ts"

/** One authority constrains at most so many names times constraints: hostile lists end here, not in minutes. */
const maxComparisons = 250_000
const maxSubtrees = 4096

interface Name {
  readonly bytes: Uint8Array
  readonly element: DerElement
}

/** Undefined when `authority` may vouch for every name of `subject`; otherwise the reason why not, for people. */
export const nameViolation = (
  authority: ParsedCertificate,
  subject: ParsedCertificate
): string | undefined => {
  const extension = authority.extensions.get(ExtensionId.nameConstraints)
  if (extension === undefined) return undefined
  const subtrees = readSubtrees(authority.der, extension.value)
  const alternatives = subject.alternativeNames()
  if (subtrees === undefined || alternatives === undefined) return "its name constraints cannot be read"
  const names: Array<Name> = alternatives.map((element) => ({ bytes: subject.der, element }))
  // the subject's own name counts as a directory name, unless empty
  const { subjectName } = subject
  if (subjectName.end > subjectName.contentStart) {
    names.push({
      bytes: subject.der,
      element: { ...subjectName, tag: NameTag.directory, contentStart: subjectName.start }
    })
  }
  if (names.length * (subtrees.permitted.length + subtrees.excluded.length) > maxComparisons) {
    return "it has more names and name constraints than are worth comparing"
  }
  for (const name of names) {
    const sameKind = (constraint: Name) => constraint.element.tag === name.element.tag
    const permitted = subtrees.permitted.filter(sameKind)
    const excluded = subtrees.excluded.filter(sameKind)
    if (permitted.length > 0 && !permitted.some((constraint) => within(name, constraint, false))) {
      return `its issuer may not vouch for ${describe(name)}`
    }
    if (excluded.some((constraint) => within(name, constraint, true))) {
      return `its issuer is barred from vouching for ${describe(name)}`
    }
  }
  return undefined
}

const readSubtrees = (
  der: Uint8Array,
  value: DerElement
): { readonly permitted: ReadonlyArray<Name>; readonly excluded: ReadonlyArray<Name> } | undefined => {
  const permitted: Array<Name> = []
  const excluded: Array<Name> = []
  const groups = readChildren(der, value, 2)
  if (groups === undefined) return undefined
  for (const group of groups) {
    const list = group.tag === 0xa0 ? permitted : group.tag === 0xa1 ? excluded : undefined
    const trees = readChildren(der, group, maxSubtrees)
    if (list === undefined || trees === undefined) return undefined
    for (const tree of trees) {
      const parts = readChildren(der, tree, 3)
      // minimum is always 0, which DER leaves out, and maximum is absent: RFC 5280 §4.2.1.10
      if (parts === undefined || parts.length !== 1) return undefined
      list.push({ bytes: der, element: parts[0] })
    }
  }
  return { permitted, excluded }
}

/** Whether `name` lies in `constraint`, of the same kind. A kind that is not understood lies outside of all permitted and inside of all excluded ones. */
const within = (name: Name, constraint: Name, excluding: boolean): boolean => {
  switch (name.element.tag) {
    case NameTag.dns:
      return dnsWithin(textOf(name), textOf(constraint), excluding)
    case NameTag.ip:
      return ipWithin(contentOf(name), contentOf(constraint))
    case NameTag.directory:
      return directoryWithin(name, constraint, excluding)
    default:
      return excluding
  }
}

const dnsWithin = (name: string, constraint: string, excluding: boolean): boolean => {
  if (constraint === "") return true
  const suffix = constraint.startsWith(".") ? constraint : `.${constraint}`
  // one label stands for the star: `*.example.com` is below `example.com`, never `example.com` itself
  if (`.${name}`.endsWith(suffix) && name.length >= constraint.length) return true
  // what a wildcard might stand for is excluded with it
  return excluding && name.startsWith("*.") && suffix.endsWith(name.slice(1))
}

const ipWithin = (address: Uint8Array, constraint: Uint8Array): boolean => {
  if (constraint.length !== address.length * 2) return false
  return address.every((byte, i) => {
    const mask = constraint[address.length + i]
    return (byte & mask) === (constraint[i] & mask)
  })
}

/** A directory name lies within another when it begins with all of its RDNs. */
const directoryWithin = (name: Name, constraint: Name, excluding: boolean): boolean => {
  const rdns = rdnsOf(name)
  const prefix = rdnsOf(constraint)
  if (rdns === undefined || prefix === undefined) return excluding
  return prefix.length <= rdns.length && prefix.every((rdn, i) => rdn === rdns[i])
}

const rdnsOf = ({ bytes, element }: Name): ReadonlyArray<string> | undefined => {
  const sequence = readElement(bytes, element.contentStart, element.end)
  const rdns = sequence && readChildren(bytes, sequence)
  return rdns?.map((rdn) =>
    (readChildren(bytes, rdn) ?? [rdn]).map((attribute) => foldedAttribute(bytes, attribute)).join("+")
  )
}

/** Strings compare without regard to case, encoding and runs of spaces. RFC 5280 §7.1 */
const foldedAttribute = (bytes: Uint8Array, attribute: DerElement): string => {
  const parts = readChildren(bytes, attribute, 2)
  if (parts === undefined || parts.length !== 2) return hexOf(bytes, attribute.start, attribute.end)
  const [type, value] = parts
  const id = hexOf(bytes, type.contentStart, type.end)
  const isText = value.tag === 0x0c || value.tag === 0x13 || value.tag === 0x16
  if (!isText) return `${id}=#${hexOf(bytes, value.start, value.end)}`
  const text = new TextDecoder().decode(bytes.subarray(value.contentStart, value.end))
  return `${id}=${JSON.stringify(text.trim().replace(/\s+/g, " ").toLowerCase())}`
}

const contentOf = ({ bytes, element }: Name): Uint8Array => bytes.subarray(element.contentStart, element.end)

const textOf = (name: Name): string => Buffer.from(contentOf(name)).toString("latin1").toLowerCase()

const describe = (name: Name): string => {
  switch (name.element.tag) {
    case NameTag.dns:
      return textOf(name)
        .replace(/[^\x20-\x7e]/g, "?")
        .slice(0, 100)
    case NameTag.ip:
      return `the address ${contentOf(name).join(name.element.end - name.element.contentStart === 4 ? "." : " ")}`
    case NameTag.directory:
      return "its subject"
    default:
      return "a name of a kind that is not understood"
  }
}
