/**
 * Name constraints: which names a CA may issue certificates for. RFC 5280 §4.2.1.10, §6.1.3 (b) and (c)
 *
 * Supports DNS names, IP addresses and directory names. A constraint of another kind affects only certificates with a name
 * of that kind, which are refused. Exclusions are interpreted broadly: whatever an excluded name might cover is excluded.
 */
import { printable } from "../../../src/internal/printable.ts"
import { formatIp } from "../../../src/wire/ipAddress.ts"
import {
  AttributeId,
  type DistinguishedName,
  type RelativeName
} from "../../../src/internal/DistinguishedName.ts"
import type { GeneralName } from "../../../src/internal/generalNames.ts"
import type { ParsedCertificate } from "./ParsedCertificate.ts"

/** Maximum number of names times constraints per CA, to bound the time for malicious lists. */
const maxComparisons = 250_000

/** Undefined if `authority` may issue for every name of `subject`; otherwise a readable reason. */
export const nameViolation = (
  authority: ParsedCertificate,
  subject: ParsedCertificate,
  isLeaf: boolean
): string | undefined => {
  const constraints = authority.extensions.nameConstraints
  if (constraints === undefined) return undefined
  const names = namesOf(subject, isLeaf)
  if (names === undefined)
    return "its subject contains names that cannot be compared with its issuer's constraints"
  const { permitted, excluded } = constraints
  if (names.length * (permitted.length + excluded.length) > maxComparisons) {
    return "it has too many names and name constraints"
  }
  for (const name of names) {
    const sameKind = (constraint: GeneralName) => constraint.kind === name.kind
    const allowing = permitted.filter(sameKind)
    if (allowing.length > 0 && !allowing.some((constraint) => within(name, constraint, false))) {
      return `its issuer's constraints do not permit ${describe(name)}`
    }
    if (excluded.some((constraint) => sameKind(constraint) && within(name, constraint, true))) {
      return `its issuer's constraints exclude ${describe(name)}`
    }
  }
  return undefined
}

/** All names of a certificate. The subject counts as a directory name, and the names within it count too. */
const namesOf = (
  { subject, extensions: { alternativeNames } }: ParsedCertificate,
  isLeaf: boolean
): ReadonlyArray<GeneralName> | undefined => {
  if (subject.isEmpty) return alternativeNames
  const names: Array<GeneralName> = [...alternativeNames, { kind: "directory", name: subject }]
  for (const { tag, text = "" } of subject.attributes(AttributeId.emailAddress)) {
    if (tag !== ia5String) return undefined
    names.push({ kind: "email", text })
  }
  // other implementations use the common name if there is no DNS name, so it is constrained too
  if (!isLeaf || alternativeNames.some(({ kind }) => kind === "dns")) return names
  for (const { text = "\0" } of subject.attributes(AttributeId.commonName)) {
    const host = text.replace(/\0+$/, "").toLowerCase()
    if (host.includes("\0")) return undefined
    if (/^[a-z\d_][a-z\d_-]*(\.[a-z\d_][a-z\d_-]*)+$/.test(host)) names.push({ kind: "dns", text: host })
  }
  return names
}

const ia5String = 0x16

/** Whether `name` lies in `constraint`, of the same kind. Unsupported kinds are never permitted and always excluded. */
const within = (name: GeneralName, constraint: GeneralName, excluding: boolean): boolean => {
  if (name.kind === "dns" && constraint.kind === "dns") {
    return dnsWithin(name.text.toLowerCase(), constraint.text.toLowerCase(), excluding)
  }
  if (name.kind === "ip" && constraint.kind === "ip") return ipWithin(name.bytes, constraint.bytes)
  if (name.kind === "directory" && constraint.kind === "directory") {
    return directoryWithin(name.name, constraint.name, excluding ? mayBeLevel : isLevel)
  }
  return excluding
}

const dnsWithin = (name: string, constraint: string, excluding: boolean): boolean => {
  if (constraint === "") return true
  const suffix = constraint.startsWith(".") ? constraint : `.${constraint}`
  // a wildcard stands for one label: `*.example.com` is below `example.com`, never `example.com` itself
  if (`.${name}`.endsWith(suffix) && name.length >= constraint.length) return true
  // a wildcard is excluded if any name it matches is
  return excluding && name.startsWith("*.") && suffix.endsWith(name.slice(1))
}

const ipWithin = (address: Uint8Array, constraint: Uint8Array): boolean => {
  if (constraint.length !== address.length * 2) return false
  return address.every((byte, i) => {
    const mask = constraint[address.length + i]
    return (byte & mask) === (constraint[i] & mask)
  })
}

/** A directory name lies within another if it starts with all of its levels. */
const directoryWithin = (
  { levels }: DistinguishedName,
  { levels: prefix }: DistinguishedName,
  equals: (level: RelativeName, constraint: RelativeName) => boolean
): boolean => prefix.length <= levels.length && prefix.every((level, i) => equals(levels[i], level))

const isLevel = (level: RelativeName, constraint: RelativeName): boolean =>
  level.canonical === constraint.canonical

/** A level with further attributes stays excluded, and non-text attributes could match anything. */
const mayBeLevel = (level: RelativeName, constraint: RelativeName): boolean =>
  constraint.attributes.every((barred) =>
    level.attributes.some(({ type, loose }) => type === barred.type && mayBe(loose, barred.loose))
  )

const mayBe = (text: string | undefined, barred: string | undefined): boolean =>
  text === undefined || barred === undefined || text === barred

const describe = (name: GeneralName): string => {
  switch (name.kind) {
    case "dns":
      return printable(name.text, 100)
    case "ip":
      return `the address ${formatIp(name.bytes)}`
    case "directory":
      return "its subject"
    default:
      return "a name of an unsupported kind"
  }
}
