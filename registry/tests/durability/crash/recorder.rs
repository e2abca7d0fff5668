//! The filesystem that the server works on: in memory, mounted, with a record of what changed it.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
    WriteFlags,
};

use super::disk::{Change, Disk, Inode, Link, ROOT};

/// Nothing changes but through the kernel, so it may remember what it was told.
const REMEMBERED: Duration = Duration::from_secs(60);
/// In microseconds.
const SLOWEST_FLUSH: u64 = 6000;
const THREADS: usize = 8;

/// A mounted filesystem. Unmounted when dropped.
pub(crate) struct Recorder {
    record: Arc<Mutex<Record>>,
    _session: BackgroundSession,
}

#[derive(Debug)]
struct Record {
    disk: Disk,
    log: Vec<Change>,
    modified: HashMap<Inode, SystemTime>,
    last: Inode,
    /// Folders that are being read, as they were when they were opened.
    listings: HashMap<u64, Vec<(String, Link)>>,
    has_links: bool,
}

impl Recorder {
    pub(crate) fn mount(at: &Path) -> Self {
        Self::mount_with(at, true)
    }

    /// As a share that knows neither hard links nor renames that may not replace.
    pub(crate) fn mount_without_links(at: &Path) -> Self {
        Self::mount_with(at, false)
    }

    fn mount_with(at: &Path, has_links: bool) -> Self {
        let record = Arc::new(Mutex::new(Record {
            disk: Disk {
                folders: HashMap::from([(ROOT, BTreeMap::new())]),
                files: HashMap::new(),
            },
            log: Vec::new(),
            modified: HashMap::new(),
            last: ROOT,
            listings: HashMap::new(),
            has_links,
        }));
        crate::mounts::of_our_own();
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("roadstead-recorder".to_owned())];
        config.n_threads = Some(THREADS);
        let session = fuser::spawn_mount(Mounted(Arc::clone(&record)), at, &config);
        Recorder {
            record,
            _session: session.expect("/dev/fuse, and root: the recorder is a filesystem"),
        }
    }

    /// How many changes there have been.
    pub(crate) fn moments(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let record = Arc::clone(&self.record);
        move || record.lock().unwrap().log.len() as u64
    }

    pub(crate) fn log(&self) -> Vec<Change> {
        self.record.lock().unwrap().log.clone()
    }
}

impl Record {
    fn change(&mut self, change: Change) {
        self.disk.apply(&change);
        let now = SystemTime::now();
        match &change {
            Change::Write { file, .. } | Change::Resize { file, .. } => self.modified.insert(*file, now),
            Change::Name { folder, .. } => self.modified.insert(*folder, now),
            Change::Rename { to, .. } => self.modified.insert(to.0, now),
            Change::FlushFile(_) | Change::FlushFolder(_) => None,
        };
        self.log.push(change);
    }

    fn make(&mut self, folder: Inode, name: &str, is_folder: bool) -> Result<FileAttr, Errno> {
        if self.disk.entry(folder, name).is_some() {
            return Err(Errno::EEXIST);
        }
        self.last += 1;
        let link = Link {
            inode: self.last,
            is_folder,
        };
        if is_folder {
            self.disk.folders.insert(link.inode, BTreeMap::new());
        } else {
            self.disk.files.insert(link.inode, Vec::new());
        }
        self.modified.insert(link.inode, SystemTime::now());
        self.name(folder, name, Some(link));
        self.attributes(link.inode)
    }

    fn name(&mut self, folder: Inode, name: &str, to: Option<Link>) {
        self.change(Change::Name {
            folder,
            name: name.to_owned(),
            to,
        });
    }

    fn remove(&mut self, folder: Inode, name: &str, is_folder: bool) -> Result<(), Errno> {
        let link = self.disk.entry(folder, name).ok_or(Errno::ENOENT)?;
        match (link.is_folder, is_folder) {
            (false, true) => return Err(Errno::ENOTDIR),
            (true, false) => return Err(Errno::EISDIR),
            _ => {}
        }
        if self
            .disk
            .folders
            .get(&link.inode)
            .is_some_and(|names| !names.is_empty())
        {
            return Err(Errno::ENOTEMPTY);
        }
        self.name(folder, name, None);
        Ok(())
    }

    fn rename(&mut self, from: (Inode, String), to: (Inode, String)) -> Result<(), Errno> {
        let link = self.disk.entry(from.0, &from.1).ok_or(Errno::ENOENT)?;
        // As POSIX has it: two names of one file stay two names.
        if self.disk.entry(to.0, &to.1) != Some(link) {
            self.change(Change::Rename { from, to, link });
        }
        Ok(())
    }

    fn attributes(&self, inode: Inode) -> Result<FileAttr, Errno> {
        let (kind, size) = match (self.disk.files.get(&inode), self.disk.folders.get(&inode)) {
            (Some(bytes), _) => (FileType::RegularFile, bytes.len() as u64),
            (None, Some(_)) => (FileType::Directory, 4096),
            (None, None) => return Err(Errno::ENOENT),
        };
        let modified = self
            .modified
            .get(&inode)
            .copied()
            .unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(FileAttr {
            ino: INodeNo(inode),
            size,
            blocks: size.div_ceil(512),
            atime: modified,
            mtime: modified,
            ctime: modified,
            crtime: modified,
            kind,
            perm: if kind == FileType::Directory { 0o755 } else { 0o644 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }
}

/// What the kernel asks. Whoever answers holds the record, so that it has one order.
struct Mounted(Arc<Mutex<Record>>);

impl Mounted {
    fn record(&self) -> std::sync::MutexGuard<'_, Record> {
        self.0.lock().unwrap()
    }

    fn entry(&self, reply: ReplyEntry, attributes: Result<FileAttr, Errno>) {
        match attributes {
            Ok(attributes) => reply.entry(&REMEMBERED, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }
}

/// As a disk: what is asked for meanwhile comes before the flush, and finds names and bytes that are not kept yet.
fn take_time() {
    std::thread::sleep(Duration::from_micros(fastrand::u64(..SLOWEST_FLUSH)));
}

fn text(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

fn done(reply: ReplyEmpty, result: Result<(), Errno>) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Mounted {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let record = self.record();
        let link = record.disk.entry(parent.0, &text(name)).ok_or(Errno::ENOENT);
        self.entry(reply, link.and_then(|link| record.attributes(link.inode)));
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.record().attributes(inode.0) {
            Ok(attributes) => reply.attr(&REMEMBERED, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut record = self.record();
        if let Some(size) = size {
            record.change(Change::Resize {
                file: inode.0,
                size: size as usize,
            });
        }
        if let Some(modified) = modified {
            let modified = match modified {
                TimeOrNow::SpecificTime(time) => time,
                TimeOrNow::Now => SystemTime::now(),
            };
            record.modified.insert(inode.0, modified);
        }
        match record.attributes(inode.0) {
            Ok(attributes) => reply.attr(&REMEMBERED, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let attributes = self.record().make(parent.0, &text(name), true);
        self.entry(reply, attributes);
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        match self.record().make(parent.0, &text(name), false) {
            Ok(attributes) => reply.created(
                &REMEMBERED,
                &attributes,
                Generation(0),
                FileHandle(0),
                FopenFlags::empty(),
            ),
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(reply, self.record().remove(parent.0, &text(name), false));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(reply, self.record().remove(parent.0, &text(name), true));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !flags.is_empty() {
            return reply.error(Errno::EINVAL);
        }
        let (from, to) = ((parent.0, text(name)), (new_parent.0, text(new_name)));
        done(reply, self.record().rename(from, to));
    }

    fn link(&self, _: &Request, inode: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut record = self.record();
        if !record.has_links {
            return reply.error(Errno::EPERM);
        }
        if record.disk.entry(parent.0, &text(name)).is_some() {
            return reply.error(Errno::EEXIST);
        }
        let link = Link {
            inode: inode.0,
            is_folder: false,
        };
        record.name(parent.0, &text(name), Some(link));
        self.entry(reply, record.attributes(inode.0));
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let record = self.record();
        match record.disk.files.get(&inode.0) {
            Some(bytes) => {
                let begin = bytes.len().min(offset as usize);
                let end = bytes.len().min(begin + size as usize);
                reply.data(&bytes[begin..end]);
            }
            None => reply.error(Errno::EISDIR),
        }
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.record().change(Change::Write {
            file: inode.0,
            offset: offset as usize,
            bytes: bytes.to_vec(),
        });
        reply.written(bytes.len() as u32);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        take_time();
        self.record().change(Change::FlushFile(inode.0));
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        take_time();
        self.record().change(Change::FlushFolder(inode.0));
        reply.ok();
    }

    fn opendir(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let mut record = self.record();
        let Some(names) = record.disk.folders.get(&inode.0) else {
            return reply.error(Errno::ENOTDIR);
        };
        let listing = names.iter().map(|(name, link)| (name.clone(), *link)).collect();
        let handle = record.listings.keys().max().copied().unwrap_or_default() + 1;
        record.listings.insert(handle, listing);
        reply.opened(FileHandle(handle), FopenFlags::empty());
    }

    fn readdir(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let record = self.record();
        let listing = record.listings.get(&handle.0).map_or(&[][..], Vec::as_slice);
        for (number, (name, link)) in listing.iter().enumerate().skip(offset as usize) {
            let kind = if link.is_folder {
                FileType::Directory
            } else {
                FileType::RegularFile
            };
            if reply.add(INodeNo(link.inode), number as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.record().listings.remove(&handle.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let blocks = 1 << 24;
        reply.statfs(blocks, blocks, blocks, blocks, blocks, 4096, 255, 4096);
    }
}
