/** Takes handshake messages apart and reassembles them with changes. */

export const Type = {
  clientHello: 1,
  serverHello: 2,
  newSessionTicket: 4,
  endOfEarlyData: 5,
  encryptedExtensions: 8,
  certificate: 11,
  certificateRequest: 13,
  certificateVerify: 15,
  finished: 20,
  keyUpdate: 24
} as const

/** The offset of the extension list, including its length. */
const extensionsStart = (message: Uint8Array): number => {
  switch (message[0]) {
    case Type.clientHello: {
      let at = 4 + 2 + 32
      at += 1 + message[at]
      at += 2 + ((message[at] << 8) | message[at + 1])
      return at + 1 + message[at]
    }
    case Type.serverHello:
      return 4 + 2 + 32 + 1 + message[4 + 2 + 32] + 3
    case Type.encryptedExtensions:
      return 4
    case Type.certificateRequest:
      return 5 + message[4]
    case Type.newSessionTicket: {
      const nonce = 4 + 8
      const ticket = nonce + 1 + message[nonce]
      return ticket + 2 + ((message[ticket] << 8) | message[ticket + 1])
    }
    default:
      throw new Error(`message ${message[0]} has no extension list`)
  }
}

export type ExtensionList = Array<[type: number, body: Uint8Array]>

export const extensionsOf = (message: Uint8Array): ExtensionList => {
  const list: ExtensionList = []
  for (let at = extensionsStart(message) + 2; at < message.length; ) {
    const type = (message[at] << 8) | message[at + 1]
    const length = (message[at + 2] << 8) | message[at + 3]
    list.push([type, message.slice(at + 4, at + 4 + length)])
    at += 4 + length
  }
  return list
}

/** The message with other extensions and all lengths corrected. */
export const withExtensions = (
  message: Uint8Array,
  change: (list: ExtensionList) => ExtensionList
): Uint8Array => {
  const list = change(extensionsOf(message))
  const bodies = list.map(([type, body]) => bytes(u16(type), u16(body.length), body))
  const joined = bytes(...bodies)
  return withBody(message, bytes(message.subarray(4, extensionsStart(message)), u16(joined.length), joined))
}

export const withExtension = (message: Uint8Array, type: number, body: Uint8Array): Uint8Array =>
  withExtensions(message, (list) =>
    list.some(([each]) => each === type)
      ? list.map(([each, old]) => [each, each === type ? body : old])
      : [...list, [type, body]]
  )

export const withoutExtension = (message: Uint8Array, type: number): Uint8Array =>
  withExtensions(message, (list) => list.filter(([each]) => each !== type))

/** A message of the same type with another body. */
export const withBody = (message: Uint8Array, body: Uint8Array): Uint8Array => messageOf(message[0], body)

export const messageOf = (type: number, body: Uint8Array): Uint8Array =>
  bytes(Uint8Array.of(type, body.length >> 16, body.length >> 8, body.length), body)

/** The message with one byte inverted; negative offsets count from the end. */
export const flipped = (message: Uint8Array, at: number): Uint8Array => {
  const copy = message.slice()
  copy[at < 0 ? copy.length + at : at] ^= 1
  return copy
}

export const bytes = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))

export const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value)
