//! Go templates, bounded in time, depth and output.
