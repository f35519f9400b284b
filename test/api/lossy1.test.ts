import { lossyTransfers } from "./lossyTransfer.ts"

lossyTransfers(0, 4)
