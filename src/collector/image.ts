import * as m from '../metrics/catalog.ts'
import { sampleIfGiven } from '../metrics/family.ts'
import { imageKey } from '../sampler/image-reader.ts'
import type { Collector } from './collector.ts'

/** How large the images of drives are, as they were last looked at. */
export const image: Collector = {
  name: 'image',

  collect: async ({ vms, images }) =>
    vms.flatMap((vm) =>
      vm.drives.flatMap((drive) => {
        const labels = { vm: vm.name, drive: drive.name, depth: '0' }
        const size = images.of(imageKey(vm, drive))
        return [
          ...sampleIfGiven(m.driveImage.virtualBytes, labels, size?.virtualBytes),
          ...sampleIfGiven(m.driveImage.allocatedBytes, labels, size?.allocatedBytes),
          ...sampleIfGiven(m.driveImage.fileBytes, labels, size?.fileBytes),
        ]
      }),
    ),
}
