/** GeneralName, used for alternative names and name constraints. RFC 5280 §4.2.1.6 */
import { latin1 } from "./bytes.ts"
import type { DerElement } from "./der.ts"
import type { DerReader } from "./DerReader.ts"
import { type DistinguishedName, readName } from "./DistinguishedName.ts"

export type GeneralName =
  /** Text is ASCII. */
  | { readonly kind: "email" | "dns" | "uri"; readonly text: string }
  /** 4 or 16 bytes as a name; address and mask of 8 or 32 bytes as a constraint. */
  | { readonly kind: "ip"; readonly bytes: Uint8Array }
  | { readonly kind: "directory"; readonly name: DistinguishedName }
  /** Only the kind is known. */
  | { readonly kind: "other" | "registeredId" }

/** Maximum alternative names per certificate. */
const maxNames = 4096

const Tag = { other: 0xa0, email: 0x81, dns: 0x82, directory: 0xa4, uri: 0x86, ip: 0x87, registeredId: 0x88 }

/** id-on-SmtpUTF8Mailbox: an internationalised e-mail address. RFC 9598 */
const smtpUtf8Mailbox = "2b06010505070809"

/** Reads all names of `list`, at least one. */
export const readGeneralNames = (list: DerReader, addressLengths = [4, 16]): ReadonlyArray<GeneralName> => {
  const names: Array<GeneralName> = []
  do {
    if (names.length === maxNames) return list.fail()
    names.push(readGeneralName(list, addressLengths))
  } while (!list.isAtEnd)
  return names
}

/** x400Address and ediPartyName, which are unused in practice, count as malformed. */
export const readGeneralName = (list: DerReader, addressLengths: ReadonlyArray<number>): GeneralName => {
  const element = list.takeAny()
  switch (element.tag) {
    case Tag.email:
      return { kind: "email", text: asciiIn(list, element) }
    case Tag.dns:
      return { kind: "dns", text: asciiIn(list, element) }
    case Tag.uri:
      return { kind: "uri", text: asciiIn(list, element) }
    case Tag.ip: {
      const bytes = list.bytes.subarray(element.contentStart, element.end)
      return addressLengths.includes(bytes.length) ? { kind: "ip", bytes } : list.fail()
    }
    case Tag.directory: {
      const inner = list.inside(element)
      const name = readName(inner)
      inner.finish()
      return { kind: "directory", name }
    }
    case Tag.registeredId:
      list.idIn(element)
      return { kind: "registeredId" }
    case Tag.other:
      return readOtherName(list.inside(element))
    default:
      return list.fail()
  }
}

const readOtherName = (fields: DerReader): GeneralName => {
  const type = fields.takeId()
  const value = fields.enter(0xa0)
  value.takeAny()
  value.finish()
  fields.finish()
  // the text is ignored, so that any e-mail constraint excludes it: see nameConstraints.ts
  return type === smtpUtf8Mailbox ? { kind: "email", text: "" } : { kind: "other" }
}

const asciiIn = (reader: DerReader, { contentStart, end }: DerElement): string => {
  for (let i = contentStart; i < end; i++) if (reader.bytes[i] >= 0x80) return reader.fail()
  return latin1(reader.bytes, contentStart, end)
}
