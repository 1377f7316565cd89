import type { Drive, Vm } from '../attribution/records.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sampleIfGiven } from '../metrics/family.ts'
import { imageKey } from '../sampler/image-reader.ts'
import type { Collector, Scrape } from './collector.ts'

/** How large the images of drives are, as they were last looked at. */
export const image: Collector = {
  name: 'image',

  collect: async ({ vms, images }) =>
    vms.flatMap((vm) => vm.drives.flatMap((drive) => driveSamples(vm, drive, images))),
}

function driveSamples(vm: Vm, drive: Drive, images: Scrape['images']): Sample[] {
  const depths = Array.from({ length: 1 + (drive.backingImages?.length ?? 0) }, (_, depth) => depth)
  return depths.flatMap((depth) => {
    const labels = { vm: vm.name, drive: drive.name, depth: String(depth) }
    const size = images.of(imageKey(vm, drive, depth))
    return [
      ...sampleIfGiven(m.driveImage.virtualBytes, labels, size?.virtualBytes),
      ...sampleIfGiven(m.driveImage.allocatedBytes, labels, size?.allocatedBytes),
      ...sampleIfGiven(m.driveImage.fileBytes, labels, size?.fileBytes),
    ]
  })
}
