/** PEM text and the private key formats found in it. */
import { DerTag, derElement, readChildren, readElement } from "./der.ts"

export interface PemBlock {
  readonly label: string
  readonly body: string
  readonly encrypted: boolean
}

/** The blocks of PEM text. RFC 7468; of the RFC 1421 headers only the encryption header is read. */
export function* pemBlocks(text: string): Iterable<PemBlock> {
  const begin = /-----BEGIN ([A-Z0-9 ]{1,64})-----/g
  for (let found = begin.exec(text); found !== null; found = begin.exec(text)) {
    const end = text.indexOf(`-----END ${found[1]}-----`, begin.lastIndex)
    if (end === -1) return
    const lines = text.slice(begin.lastIndex, end).split(/\r\n|\r|\n/)
    begin.lastIndex = end
    yield {
      label: found[1],
      body: lines
        .filter((line) => !line.includes(":"))
        .join("")
        .replace(/\s/g, ""),
      encrypted: lines.some((line) => /^Proc-Type:.*ENCRYPTED/.test(line))
    }
  }
}

const rsaEncryption = Uint8Array.of(
  0x06,
  0x09,
  0x2a,
  0x86,
  0x48,
  0x86,
  0xf7,
  0x0d,
  0x01,
  0x01,
  0x01,
  0x05,
  0x00
)
const idEcPublicKey = Uint8Array.of(0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01)

/** Wraps a bare PKCS #1 or SEC 1 key, as older tools write them, in PKCS #8. RFC 5208 §5 */
export const toPkcs8 = (label: string, der: Uint8Array): Uint8Array | undefined => {
  const outer = readElement(der, 0)
  if (outer === undefined || outer.tag !== DerTag.sequence || outer.end !== der.length) return undefined
  if (label === "PRIVATE KEY") return der
  let algorithm: Uint8Array
  if (label === "RSA PRIVATE KEY") algorithm = derElement(DerTag.sequence, rsaEncryption)
  else if (label === "EC PRIVATE KEY") {
    // RFC 5915 §3: the curve is in the parameters, [0]
    const parameters = readChildren(der, outer)?.find((child) => child.tag === 0xa0)
    if (parameters === undefined) return undefined
    algorithm = derElement(
      DerTag.sequence,
      idEcPublicKey,
      der.subarray(parameters.contentStart, parameters.end)
    )
  } else return undefined
  return derElement(
    DerTag.sequence,
    derElement(DerTag.integer, Uint8Array.of(0)),
    algorithm,
    derElement(DerTag.octetString, der)
  )
}
