import quiche from "@matrixai/quic/native/quiche.js"
import type { Config } from "@matrixai/quic/native/types.js"
import type { Task } from "../program.ts"

const MiB = 1024 * 1024

export const makeConfig = (task: Task): Config => {
  const config = new quiche.Config()
  if (task.cert !== "") {
    config.loadCertChainFromPemFile(task.cert)
    config.loadPrivKeyFromPemFile(task.key)
  }
  if (task.ca !== "") config.loadVerifyLocationsFromFile(task.ca)
  config.verifyPeer(task.ca !== "")
  config.setApplicationProtos([task.alpn])
  config.setMaxIdleTimeout(10_000)
  config.setMaxRecvUdpPayloadSize(1500)
  config.setMaxSendUdpPayloadSize(1500)
  config.setInitialMaxData(4 * MiB)
  config.setInitialMaxStreamDataBidiLocal(MiB)
  config.setInitialMaxStreamDataBidiRemote(MiB)
  config.setInitialMaxStreamDataUni(MiB)
  config.setInitialMaxStreamsBidi(100)
  config.setInitialMaxStreamsUni(16)
  config.setActiveConnectionIdLimit(4)
  if (task.comeBack === "earlyData") config.enableEarlyData()
  config.enableDgram(true, 100, 100)
  config.grease(true)
  if (process.env.SSLKEYLOGFILE !== undefined) config.logKeys()
  return config
}
