/** IP addresses as bytes, and prefixes for routes. */
import { formatIp, parseIp } from "../../src/wire/ipAddress.ts"
import { SimConfigError } from "./simConfig.ts"

/** The 4 or 16 bytes of an address literal; undefined if invalid. */
export const addressBytes = (literal: string): Uint8Array | undefined => {
  const ip = parseIp(literal)
  return ip?.zone === undefined ? ip?.bytes : undefined
}

/** Addresses are compared as strings, so they must be in canonical form. RFC 5952 */
export const checkAddress = (field: string, literal: string): void => {
  const bytes = typeof literal === "string" ? addressBytes(literal) : undefined
  if (bytes === undefined) {
    throw new SimConfigError(field, `must be an IP address, but is ${JSON.stringify(literal)}`)
  }
  const usual = formatIp(bytes)
  if (usual !== literal) throw new SimConfigError(field, `must be written as ${usual}, but is ${literal}`)
}

/** An address prefix, such as `10.0.0.0/8`, `2001:db8::/32` or `::/0`. */
export class IpPrefix {
  /** Prefix length in bits; longer prefixes are more specific routes. */
  readonly length: number
  private readonly bytes: Uint8Array

  /** A single address is a prefix of its full length. */
  constructor(field: string, text: string) {
    const [literal, length] = text.split("/")
    const bytes = addressBytes(literal)
    const bits = length === undefined ? (bytes?.length ?? 0) * 8 : Number(length)
    if (
      bytes === undefined ||
      length === "" ||
      !Number.isInteger(bits) ||
      bits < 0 ||
      bits > bytes.length * 8
    ) {
      throw new SimConfigError(field, `must be a prefix such as 10.0.0.0/8, but is ${JSON.stringify(text)}`)
    }
    this.bytes = bytes
    this.length = bits
  }

  contains(address: Uint8Array): boolean {
    if (address.length !== this.bytes.length) return false
    const whole = this.length >> 3
    for (let i = 0; i < whole; i++) if (address[i] !== this.bytes[i]) return false
    const rest = this.length & 7
    return rest === 0 || (address[whole] ^ this.bytes[whole]) >> (8 - rest) === 0
  }
}
