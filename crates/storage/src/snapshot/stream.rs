//! Files as streams, and their compression. Mirrors `SnapStream`.

use std::io::{self, Read, Write};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::DiskFile;

/// How a snapshot file is compressed. The genuine server tells by the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// `….gz`.
    Gzip,
    /// `….snappy`, in the framing of the snappy-java library.
    Snappy,
}

impl Compression {
    /// What the names of such files end with.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Snappy => ".snappy",
        }
    }

    /// What the name of a file says; an unknown ending means none.
    pub fn of_name(name: &str) -> Self {
        match name.rsplit_once('.') {
            Some((_, ending)) if ending.eq_ignore_ascii_case("gz") => Self::Gzip,
            Some((_, ending)) if ending.eq_ignore_ascii_case("snappy") => Self::Snappy,
            _ => Self::None,
        }
    }
}

/// The first bytes of a file in gzip.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

impl Compression {
    /// What the first bytes of a file say; a snapshot that is not compressed begins with `ZKSN`.
    pub fn of_bytes(head: &[u8]) -> Self {
        if head.starts_with(GZIP_MAGIC) {
            Self::Gzip
        } else if head.starts_with(SNAPPY_MAGIC) {
            Self::Snappy
        } else {
            Self::None
        }
    }
}

/// Bytes collected before they go to the file.
const WRITE_LEN: usize = 256 << 10;

/// Bytes after which a file being written is synced, so that the log's syncs do not wait behind a mountain of
/// dirty pages: for no longer than the disk takes for this much.
const SYNC_EVERY: u64 = 512 << 10;

/// A file written from front to back.
#[derive(Debug)]
pub(super) struct FileSink {
    file: Box<dyn DiskFile>,
    buf: Vec<u8>,
    offset: u64,
    synced: u64,
    sync: bool,
}

impl FileSink {
    pub(super) fn new(file: Box<dyn DiskFile>, sync: bool) -> Self {
        Self { file, buf: Vec::with_capacity(WRITE_LEN), offset: 0, synced: 0, sync }
    }

    /// Writes what is left and brings it to the disk; the number of bytes in the file.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        if self.sync {
            self.file.sync_data()?;
        }
        Ok(self.offset)
    }
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buf.extend_from_slice(bytes);
        if self.buf.len() >= WRITE_LEN {
            self.flush()?;
            if self.sync && self.offset - self.synced >= SYNC_EVERY {
                self.file.sync_data()?;
                self.synced = self.offset;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buf, self.offset)?;
        self.offset += self.buf.len() as u64;
        self.buf.clear();
        Ok(())
    }
}

/// A file read from front to back.
#[derive(Debug)]
pub(super) struct FileSource {
    file: Box<dyn DiskFile>,
    offset: u64,
}

impl FileSource {
    pub(super) fn new(file: Box<dyn DiskFile>) -> Self {
        Self { file, offset: 0 }
    }
}

impl Read for FileSource {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buf, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// Compresses what is written to it.
pub(super) enum Packer<W: Write> {
    None(W),
    Gzip(GzEncoder<W>),
    Snappy(Box<SnappyWriter<W>>),
}

impl<W: Write> Packer<W> {
    pub(super) fn new(compression: Compression, mut out: W) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(out),
            Compression::Gzip => Self::Gzip(GzEncoder::new(out, flate2::Compression::default())),
            Compression::Snappy => {
                out.write_all(&SNAPPY_HEADER)?;
                let encoder = snap::raw::Encoder::new();
                Self::Snappy(Box::new(SnappyWriter { out, plain: Vec::new(), encoder }))
            }
        })
    }

    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Self::None(out) => Ok(out),
            Self::Gzip(gzip) => gzip.finish(),
            Self::Snappy(snappy) => snappy.finish(),
        }
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(out) => out.write(bytes),
            Self::Gzip(gzip) => gzip.write(bytes),
            Self::Snappy(snappy) => snappy.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a file as it was before it was compressed.
pub(super) fn unpack<R: Read + 'static>(compression: Compression, input: R) -> Box<dyn Read> {
    match compression {
        Compression::None => Box::new(input),
        Compression::Gzip => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(64 << 10, input))),
        Compression::Snappy => Box::new(SnappyReader::new(io::BufReader::with_capacity(64 << 10, input))),
    }
}

/// Magic, version and lowest version that can read it.
const SNAPPY_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

/// The first bytes of a snapshot in snappy.
pub(super) const SNAPPY_MAGIC: &[u8] = SNAPPY_HEADER.split_at(8).0;

/// Bytes in one chunk before compression.
const SNAPPY_CHUNK_LEN: usize = 32 << 10;

/// The longest chunk read; snappy-java can be told to make larger ones than its 32 KiB.
const SNAPPY_CHUNK_LEN_MAX: usize = 64 << 20;

/// The framing of snappy-java (`SnappyOutputStream`): a header, then chunks, each a length and a block.
pub(super) struct SnappyWriter<W: Write> {
    out: W,
    plain: Vec<u8>,
    encoder: snap::raw::Encoder,
}

impl<W: Write> SnappyWriter<W> {
    fn put_chunk(&mut self, len: usize) -> io::Result<()> {
        let block = self.encoder.compress_vec(&self.plain[..len]).map_err(io::Error::other)?;
        self.plain.drain(..len);
        self.out.write_all(&(block.len() as u32).to_be_bytes())?;
        self.out.write_all(&block)
    }

    fn finish(mut self) -> io::Result<W> {
        while !self.plain.is_empty() {
            self.put_chunk(self.plain.len().min(SNAPPY_CHUNK_LEN))?;
        }
        Ok(self.out)
    }
}

impl<W: Write> Write for SnappyWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Never more than one chunk at a time, so that taking chunks off the front stays cheap.
        let taken = bytes.len().min(SNAPPY_CHUNK_LEN);
        self.plain.extend_from_slice(&bytes[..taken]);
        if self.plain.len() >= SNAPPY_CHUNK_LEN {
            self.put_chunk(SNAPPY_CHUNK_LEN)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct SnappyReader<R: Read> {
    input: R,
    begun: bool,
    plain: Vec<u8>,
    at: usize,
}

impl<R: Read> SnappyReader<R> {
    fn new(input: R) -> Self {
        Self { input, begun: false, plain: Vec::new(), at: 0 }
    }

    /// Reads the next chunk; `false` at the end.
    fn next_chunk(&mut self) -> io::Result<bool> {
        let bad = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
        if !self.begun {
            let mut header = [0; SNAPPY_HEADER.len()];
            self.input.read_exact(&mut header)?;
            if !header.starts_with(SNAPPY_MAGIC) {
                return Err(bad("not in the framing of snappy-java"));
            }
            self.begun = true;
        }
        let mut len = [0; 4];
        match self.input.read(&mut len)? {
            0 => return Ok(false),
            read => self.input.read_exact(&mut len[read..])?,
        }
        let len = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
        if len > SNAPPY_CHUNK_LEN_MAX {
            return Err(bad("a snappy chunk is too long"));
        }
        // Taken in as it comes, so that a false length costs no memory.
        let mut block = Vec::new();
        if (&mut self.input).take(len as u64).read_to_end(&mut block)? < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let plain_len = snap::raw::decompress_len(&block).map_err(|_| bad("a snappy chunk is damaged"))?;
        if plain_len > SNAPPY_CHUNK_LEN_MAX {
            return Err(bad("a snappy chunk is too long"));
        }
        self.plain =
            snap::raw::Decoder::new().decompress_vec(&block).map_err(|_| bad("a snappy chunk is damaged"))?;
        self.at = 0;
        Ok(true)
    }
}

impl<R: Read> Read for SnappyReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.plain.len() {
            if !self.next_chunk()? {
                return Ok(0);
            }
        }
        let read = buf.len().min(self.plain.len() - self.at);
        buf[..read].copy_from_slice(&self.plain[self.at..self.at + read]);
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_compression() {
        let cases = [
            ("snapshot.1a", Compression::None),
            ("snapshot.1a.gz", Compression::Gzip),
            ("snapshot.1a.SNAPPY", Compression::Snappy),
            ("snapshot.1a.tmp", Compression::None),
        ];
        for (name, compression) in cases {
            assert_eq!(Compression::of_name(name), compression, "{name}");
        }
    }

    #[test]
    fn what_is_packed_can_be_unpacked() {
        let plain: Vec<u8> = (0..200_000u32).flat_map(|n| (n / 7).to_be_bytes()).collect();
        for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
            for step in [1000, 32 << 10, plain.len()] {
                let mut packer = Packer::new(compression, Vec::new()).unwrap();
                plain.chunks(step).for_each(|chunk| packer.write_all(chunk).unwrap());
                let packed = packer.finish().unwrap();
                let mut unpacked = Vec::new();
                unpack(compression, io::Cursor::new(packed)).read_to_end(&mut unpacked).unwrap();
                assert!(unpacked == plain, "{compression:?} {step}");
            }
        }
    }

    #[test]
    fn cut_and_damaged_streams_are_errors() {
        for compression in [Compression::Gzip, Compression::Snappy] {
            let mut packer = Packer::new(compression, Vec::new()).unwrap();
            packer.write_all(&[7; 1000]).unwrap();
            let packed = packer.finish().unwrap();
            let read = |packed: &[u8]| {
                let mut unpacked = Vec::new();
                unpack(compression, io::Cursor::new(packed.to_vec())).read_to_end(&mut unpacked)
            };
            for len in 0..packed.len() {
                // A cut between chunks is none to snappy; the seals see it.
                let whole_chunks = compression == Compression::Snappy && len == 16;
                assert_eq!(read(&packed[..len]).is_ok(), whole_chunks, "{compression:?} {len}");
            }
        }
    }
}
