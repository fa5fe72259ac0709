//! A client of Apache ZooKeeper and Zabra: asynchronous, cancel-safe, with a blocking face.
