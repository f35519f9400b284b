import { get } from "../../layers/ffi/FfiUdpPort.ts"

const { port, missing } = get()
if (missing.length > 0) throw new Error(`${missing[0].what} are missing: ${missing[0].why}`)

/** The port that must be there, as tests run where it is supported. */
export const ffiPort = port
