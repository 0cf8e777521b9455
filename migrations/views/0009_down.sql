-- Takes version 0009 back: cameras that were moved are no longer noticed.
drop table inventory_match.camera_view;
