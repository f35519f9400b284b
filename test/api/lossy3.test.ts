import { lossyTransfers } from "./lossyTransfer.ts"

lossyTransfers(2, 4)
