import type { Native, Pinned } from "../native.ts"

/** `struct ossl_param_st`: the key, the type, the data, its size, and how much of it was filled. */
const LAYOUT = { bytes: 40, key: 0, type: 8, data: 16, size: 24 } as const
const OCTET_STRING = 5

/** A parameter of a cipher: bytes somewhere in pinned memory. */
export interface Param {
  /** A C string. */
  readonly key: Pinned
  readonly at: bigint
  readonly bytes: bigint
}

/** An array of `OSSL_PARAM`, ended by one without a key. */
export class OsslParams {
  readonly pointer: bigint
  private readonly memory: Pinned
  /** What it points to has to live as long. */
  readonly keys: ReadonlyArray<Pinned>

  constructor(native: Native, params: ReadonlyArray<Param>) {
    const memory = native.pin((params.length + 1) * LAYOUT.bytes)
    this.memory = memory
    this.pointer = memory.pointer
    this.keys = params.map(({ key }) => key)
    params.forEach(({ key, at, bytes }, i) => {
      memory.view.setBigUint64(i * LAYOUT.bytes + LAYOUT.key, key.pointer, true)
      memory.view.setUint32(i * LAYOUT.bytes + LAYOUT.type, OCTET_STRING, true)
      memory.view.setBigUint64(i * LAYOUT.bytes + LAYOUT.size, bytes, true)
      memory.view.setBigUint64(i * LAYOUT.bytes + LAYOUT.data, at, true)
    })
  }

  /** Moves parameter `i` to another address. */
  point(i: number, address: number): void {
    const { view } = this.memory
    view.setUint32(i * LAYOUT.bytes + LAYOUT.data, address, true)
    view.setUint32(i * LAYOUT.bytes + LAYOUT.data + 4, address / 2 ** 32, true)
  }
}

/** Text as C has it. */
export const cString = (native: Native, text: string): Pinned => {
  const encoded = new TextEncoder().encode(text)
  const memory = native.pin(encoded.length + 1)
  memory.bytes.set(encoded)
  return memory
}
