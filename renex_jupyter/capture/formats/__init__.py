"""Image datasets as others write them: COCO, YOLO, Pascal VOC and folders of classes, in and out."""
