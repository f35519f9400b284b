import { lossyTransfers } from "./lossyTransfer.ts"

lossyTransfers(1, 4)
