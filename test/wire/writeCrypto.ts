import type { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { writeCryptoHeader } from "../../src/wire/frameWriters.ts"

/** A CRYPTO frame with its data. */
export const writeCrypto = (
  w: ByteWriter,
  offset: number,
  bytes: Uint8Array,
  start: number,
  end: number
): void => {
  writeCryptoHeader(w, offset, end - start)
  w.copy(bytes, start, end)
}
